import { readFileSync } from 'node:fs'

/** The hub's version, from the package that it is part of. */
export const version: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
