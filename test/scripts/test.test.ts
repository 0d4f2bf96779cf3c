import { cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { Counts, Patience } from '../../scripts/lib/run-mocha.ts'
import { runProgram } from './run-program.ts'
import { forgetFolders, temporaryFolder } from './temporary-folder.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const passing = "it('a', () => {})\nit('b', () => {})\n"
const checks = ['lint', 'types', 'imports', 'spec', 'schema', 'console']

describe('scripts/test', () => {
  afterEach(forgetFolders)

  it('[HOUSE-8] counts the checks and the tests in its last line', async () => {
    expect(await run({ tests: passing })).to.deep.equal({ code: 0, last: '9 passed, 0 failed' })
  })

  it('[HOUSE-8] counts a failing check, a failing test and a skipped test as failed', async () => {
    const tests = `${passing}it.skip('c', () => {})\nit('d', () => { throw new Error('no') })\n`
    expect(await run({ tests, failing: 'types' })).to.deep.equal({ code: 1, last: '8 passed, 3 failed' })
  })

  it('[HOUSE-8] counts a crash before and after the report, an end without a test, and a file that does not load as failed', async () => {
    const crashes = {
      before: "it('a', () => process.exit(0))",
      after: "it('a', () => { setTimeout(() => { throw new Error('late') }, 50) })",
      none: '',
      load: "throw new Error('at load')",
    }
    const lasts: Record<string, string> = {}
    for (const [name, tests] of Object.entries(crashes)) {
      const { code, last } = await run({ tests, args: ['test/a.test.ts'] })
      lasts[name] = `${last} (${code})`
    }
    expect(lasts).to.deep.equal({
      before: '0 passed, 1 failed (1)',
      after: '1 passed, 1 failed (1)',
      none: '0 passed, 1 failed (1)',
      load: '0 passed, 1 failed (1)',
    })
  })

  it('[HOUSE-8] with file names runs those alone', async () => {
    for (const named of ['test/deeper/b.test.ts', 'test/deeper'])
      expect(await run({ tests: passing, args: [named] }), named).to.deep.equal({ code: 0, last: '1 passed, 0 failed' })
    expect(await run({ tests: passing, args: ['--grep', 'a'] })).to.deep.equal({ code: 0, last: '1 passed, 0 failed' })
  })

  it('[HOUSE-8] names a file or folder that is not there, and runs nothing in its place', async () => {
    for (const typo of ['test/nosuch', 'test/a.tset.ts'])
      expect(await run({ tests: passing, args: [typo] }), typo).to.deep.equal({ code: 1, last: '0 passed, 1 failed' })
  })

  it('[HOUSE-20] what a test left open is a failure that names it; a process that hangs while it exits is only ended', async () => {
    const open = await behindItsReport({
      tests: "import { createServer } from 'node:net'\nit('a', () => void createServer().listen(0, '127.0.0.1'))\n",
      patience: { look_ms: 100, close_ms: 0, exit_ms: 60_000 },
    })
    expect(open.counts, open.said).to.deep.equal({ passed: 1, failed: 1 })
    expect(open.said).to.match(/left something open, so mocha did not end: .*TCPServerWrap.*Server/)
    const stuck = await behindItsReport({
      tests: "it('a', () => void process.on('exit', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)))\n",
      patience: { look_ms: 60_000, close_ms: 0, exit_ms: 500 },
    })
    expect(stuck.counts).to.deep.equal({ passed: 1, failed: 0 })
    expect(stuck.said).to.match(/note: mocha had nothing open .*; its threads: (unknown|\d+ .* in )/)
  })

  it('[HOUSE-17] takes mocha with it when it is told to end', async () => {
    const folder = projectOf({
      tests: "it('waits', () => new Promise(() => { console.log('mocha ' + process.pid + '.'); setInterval(() => {}, 1000) }))",
    })
    const program = runProgram({ command: process.execPath, args: ['scripts/test.ts', 'test/a.test.ts', '--timeout', '0'], cwd: folder })
    await program.says('.\n')
    const mocha = Number(/mocha (\d+)\./.exec(program.printed())?.[1])
    program.process.kill('SIGTERM')
    expect(await program.ended, program.said()).to.equal(1)
    expect(() => process.kill(mocha, 0)).to.throw('ESRCH')
  })

  it('[HOUSE-16] mocha itself, given a file, runs that file alone, by the settings of the project', async () => {
    const args = ['test/shared/machines.test.ts', '--dry-run', '--reporter', 'json']
    const program = runProgram({ command: join(project, 'node_modules/.bin/mocha'), args, cwd: project })
    expect(await program.ended, program.said()).to.equal(0)
    const { tests }: { tests: { file: string }[] } = JSON.parse(program.printed())
    expect([...new Set(tests.map(({ file }) => file))]).to.deep.equal([join(project, args[0] ?? '')])
  })
})

async function run({
  tests,
  failing,
  args = [],
}: {
  tests: string
  failing?: string
  args?: string[]
}): Promise<{ code: number | null; last: string }> {
  const folder = projectOf({ tests, ...(failing === undefined ? {} : { failing }) })
  const program = runProgram({ command: process.execPath, args: ['scripts/test.ts', ...args], cwd: folder })
  const code = await program.ended
  // Of standard output alone: two pipes have no order between them.
  return { code, last: program.printed().trimEnd().split('\n').at(-1) ?? '' }
}

/** A run of mocha with so much patience behind its report: what it counts, and all that was said. */
async function behindItsReport({ tests, patience }: { tests: string; patience: Patience }): Promise<{ counts: Counts; said: string }> {
  const code = `const { runMocha } = await import('./scripts/lib/run-mocha.ts')
    console.log(JSON.stringify(await runMocha(process.cwd(), ['test/a.test.ts'], ${JSON.stringify(patience)})))`
  const program = runProgram({ command: process.execPath, args: ['--input-type=module', '--eval', code], cwd: projectOf({ tests }) })
  await program.ended
  return { counts: JSON.parse(program.printed().trimEnd().split('\n').at(-1) ?? ''), said: program.said() }
}

/** A small project with the real scripts, whose checks are `true` or, when it is the failing one, `false`. */
function projectOf({ tests, failing }: { tests: string; failing?: string }): string {
  const scripts = Object.fromEntries(checks.map((check) => [check, `node -e "process.exit(${check === failing ? 1 : 0})" --`]))
  const folder = temporaryFolder({
    'package.json': JSON.stringify({ type: 'module', scripts }),
    '.mocharc.json': JSON.stringify({ extension: ['ts'], forbidPending: true }),
    'test/a.test.ts': tests,
    'test/deeper/helper.ts': "throw new Error('a helper is no test')",
    'test/deeper/b.test.ts': "it('b', () => {})\n",
  })
  cpSync(join(project, 'scripts'), join(folder, 'scripts'), { recursive: true })
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'))
  return folder
}
