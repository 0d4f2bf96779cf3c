import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startHub, type TestHub } from '../harness/hub.ts'
import { pythonEnvironment } from './python-environment.ts'

/** The packages of the environment come over the network the first time. */
const INSTALL_MS = 180_000
const RUN_MS = 240_000
/** Of each operation, beside one for each edge of its schema: so that all of it stays below two minutes. */
const EXAMPLES = 3
/** So that it asks the same each time; another one is tried by hand. */
const SEED = '20260101'
const config = fileURLToPath(new URL('./schemathesis.toml', import.meta.url))

describe('schemathesis', () => {
  let python: string
  let hub: TestHub

  before(async function () {
    this.timeout(INSTALL_MS)
    python = await pythonEnvironment('schemathesis.txt')
    hub = await startHub()
  })
  after(async () => {
    await hub?.close()
    // Whatever was sent, nothing failed inside.
    expect(hub?.troubles ?? []).to.deep.equal([])
  })

  it('[HTTP-29] it finds nothing between what the document says and what the hub does', async function () {
    this.timeout(RUN_MS)
    const folder = await mkdtemp(join(tmpdir(), 'parley-schemathesis-'))
    const args = [
      ...['--config-file', config, 'run', `${hub.url}/openapi.json`, '--checks', 'all', '--continue-on-failure'],
      ...['--phases', 'examples,coverage,fuzzing', '--max-examples', String(EXAMPLES), '--seed', SEED, '--no-color'],
      // Where passwords are compared too: what is no body is refused before that, and after some wrong ones the throttle answers in its place.
      ...['-H', `Authorization: Bearer ${hub.operator_token}`],
    ]
    try {
      const { failed, output } = await run(python, ['-c', 'from schemathesis.cli import schemathesis; schemathesis()', ...args], folder)
      expect(output).to.include('Test cases')
      expect(output, 'no route is left out').to.match(/Selected: (\d+)\/\1\n/)
      expect(failed, output).to.equal(false)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

function run(program: string, args: string[], cwd: string): Promise<{ failed: boolean; output: string }> {
  const env = { PATH: process.env['PATH'], HOME: cwd }
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env, timeout: RUN_MS, maxBuffer: 64 * 1_024 * 1_024 }, (error, stdout, stderr) => {
      // The end says what was found; before it stand the settings.
      resolve({ failed: error !== null, output: (stdout + stderr).slice(-20_000) })
    })
  })
}
