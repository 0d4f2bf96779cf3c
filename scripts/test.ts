// Runs every check and counts. scripts/test calls this once all is installed; the last line is always `N passed, N failed`.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Counts, runMocha } from './lib/run-mocha.ts'

// Each is a script of package.json, so that a developer runs the very same one by its name.
const checks = [
  { what: 'Formatting and lint', script: 'lint' },
  { what: 'Types', script: 'types' },
  { what: 'Import rules', script: 'imports', args: ['--output-type', 'err-long'] },
  { what: 'Every promise has its test', script: 'spec' },
  { what: 'The schema is fresh', script: 'schema', args: ['--check'] },
  { what: 'The console builds', script: 'console' },
]

const CHECK_LIMIT_MS = 5 * 60_000

const project = fileURLToPath(new URL('..', import.meta.url))
const mochaArgs = process.argv.slice(2)
const total: Counts = { passed: 0, failed: 0 }
for (const check of mochaArgs.length === 0 ? checks : []) add(await runCheck(check))
add(await runMocha(project, mochaArgs))
process.exitCode = total.failed === 0 ? 0 : 1
console.log(`${total.passed} passed, ${total.failed} failed`)

function add({ passed, failed }: Counts): void {
  total.passed += passed
  total.failed += failed
}

/** One line when it passes; what it said when it fails. */
async function runCheck({ what, script, args = [] }: { what: string; script: string; args?: string[] }): Promise<Counts> {
  const began = Date.now()
  process.stdout.write(`${what} … `)
  const { passed, output } = await runScript([script, ...(args.length > 0 ? ['--', ...args] : [])])
  const seconds = ((Date.now() - began) / 1000).toFixed(1)
  console.log(passed ? `${seconds} s` : `FAILED after ${seconds} s (npm run ${script})\n${output}`)
  return passed ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

function runScript(args: string[]): Promise<{ passed: boolean; output: string }> {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(process.execPath, ['--run', ...args], { cwd: project, stdio: ['ignore', 'pipe', 'pipe'], timeout: CHECK_LIMIT_MS })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.once('error', (error) => resolve({ passed: false, output: error.message }))
    child.once('close', (code) => resolve({ passed: code === 0, output }))
  })
}
