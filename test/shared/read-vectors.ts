import { readFileSync } from 'node:fs'

/** One file of shared/vectors; shared/vectors/README.md says what each holds. */
export function readVectors<Vectors>(name: string): Vectors {
  return JSON.parse(readFileSync(new URL(`../../shared/vectors/${name}.json`, import.meta.url), 'utf8'))
}
