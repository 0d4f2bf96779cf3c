// Loaded into a hub process by NODE_OPTIONS (see mutants.ts): gives it one file of the server with one piece of it replaced.
import { registerHooks } from 'node:module'

const { file, find, replace } = JSON.parse(process.env['PARLEY_TEST_MUTANT'] ?? '{}') as { file: string; find: string; replace: string }

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (!url.endsWith(file)) return loaded
    const source = String(loaded.source)
    // A mutant that is not what it was would prove nothing.
    if (source.split(find).length !== 2) throw new Error(`${file} does not hold exactly one: ${find}`)
    return { ...loaded, source: source.replace(find, () => replace) }
  },
})
