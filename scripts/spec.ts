// Every promise of docs/SPEC.md has a test whose title begins with its number, and every test such a promise.
// `node scripts/spec.ts [folder]` checks another project's folder.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { countPromises, specFaults, type TestFile } from './lib/spec-faults.ts'

const project = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)))
const read = (path: string): TestFile => ({ path, text: existsSync(join(project, path)) ? readFileSync(join(project, path), 'utf8') : '' })

const spec = read('docs/SPEC.md')
const files = globSync('test/**/*.{ts,tsx}', { cwd: project }).toSorted().map(read)
const faults = specFaults({ spec, files })
if (faults.length > 0) {
  console.error(`${faults.join('\n')}\n\n${faults.length} to mend, in ${spec.path} or in the tests.`)
  process.exitCode = 1
} else console.log(`${countPromises(spec)} promises, each with its test.`)
