import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { intoReadme } from '../../bench/into-readme.ts'
import { profileTables } from '../../bench/profile/profiled.ts'
import { selfTimes } from '../../bench/profile/self-times.ts'

const MAIN = fileURLToPath(new URL('../../bench/main.ts', import.meta.url))
const run = promisify(execFile)
// Of some seconds of work. Below what mocha gives a test, so that what it said is told.
const LONGEST_MS = 100_000

describe('npm run bench', () => {
  it('[BENCH-1] ends by itself with a table, its numbers as JSON, and a plot', async () => {
    const out = await mkdtemp(join(tmpdir(), 'parley-bench-test-'))
    const { stdout } = await run(process.execPath, [MAIN, '--only', 'B6', '--quick', '--out', out], { timeout: LONGEST_MS })
    const { machine, lines } = JSON.parse(await readFile(join(out, 'results.json'), 'utf8'))
    const svg = await readFile(join(out, 'results.svg'), 'utf8')
    const rows = stdout.split('\n').filter((line) => line.startsWith('| B6 '))
    const faulty = lines.filter(({ note }: { note?: string }) => note?.includes('lost'))
    expect({
      rows: rows.length,
      lines: lines.map(({ row }: { row: string }) => row),
      faulty,
      saysMachine: stdout.startsWith(machine),
      isDrawn: svg.startsWith('<svg') && svg.trimEnd().endsWith('</svg>') && svg.includes('tool call until its outcome is seen'),
    }).to.deep.equal({ rows: 3, lines: ['B6', 'B6', 'B6'], faulty: [], saysMachine: true, isDrawn: true })
    await rm(out, { recursive: true })
  })

  it('[BENCH-3] a profile says of each function whose it is, and how much of the time was its own', () => {
    const frame = (functionName: string, url = '') => ({ functionName, url, scriptId: '0', lineNumber: 6, columnNumber: 0 })
    const called: [string, string, number][] = [
      ['fold', 'file:///somewhere/server/pipeline/log/stream.ts', 30],
      ['evolve', 'file:///somewhere/shared/rules/evolve.ts', 5],
      ['', 'file:///somewhere/node_modules/@socket.io/redis-adapter/dist/index.js', 4],
      ['deserialize', 'file:///somewhere/node_modules/mongodb/node_modules/bson/lib/bson.cjs', 20],
      ['emit', 'node:events', 3],
      ['post', 'node:inspector', 900],
      ['writev', '', 40],
      ['(garbage collector)', '', 2],
      ['(idle)', '', 500],
    ]
    const nodes = called.map(([name, url], at) => ({ id: at + 1, callFrame: frame(name, url) }))
    // Once with the whole of its time, once more with none: a function is sampled many times.
    const samples = [...nodes, ...nodes].map(({ id }) => id)
    const timeDeltas = [...called.map(([, , us]) => us), ...called.map(() => 0)]
    const times = selfTimes({ nodes, startTime: 0, endTime: 1, samples, timeDeltas })
    expect(times.map(({ group, name, us }) => [group, name, us])).to.deep.equal([
      ['V8 and system calls', 'writev', 40],
      ['server/pipeline', 'fold', 30],
      ['bson', 'deserialize', 20],
      ['shared', 'evolve', 5],
      ['@socket.io/redis-adapter', '(unnamed, line 7)', 4],
      ['node', 'emit', 3],
      ['garbage collection', '(garbage collector)', 2],
    ])
    const table = profileTables({ row: 'B2', work: 'posts', outstanding: '5', unit: 'post', count: 10, times })
    expect(table).to.include("10.4 µs of the hub's main thread a post, over 10 of them").and.include('| server/pipeline | 3.0 | 28.8 % |')
  })

  it('[BENCH-4] what a run printed takes the place of the last run in its page, and a page without that place is refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-bench-test-'))
    const file = join(folder, 'README.md')
    await writeFile(file, 'Before\n\n<!-- run -->\n\nthe last one\n\n<!-- /run -->\n\nbehind\n')
    for (const text of ['| B2 |', '| B3 | $& |']) {
      await intoReadme({ run: text }, file)
      expect(await readFile(file, 'utf8')).to.equal(`Before\n\n<!-- run -->\n\n${text}\n\n<!-- /run -->\n\nbehind\n`)
    }
    const refused = await intoReadme({ profile: 'elsewhere' }, file).catch((error: Error) => error.message)
    expect(refused).to.include("no place for 'profile'")
    const page = await readFile(new URL('../../bench/README.md', import.meta.url), 'utf8')
    for (const name of ['run', 'targets', 'profile']) expect(page).to.include(`<!-- ${name} -->`).and.include(`<!-- /${name} -->`)
    await rm(folder, { recursive: true })
  })

  for (const { when, ends, only } of [
    { when: 'while its first servers start', ends: { minutes: '0.02' }, only: 'B2,B13' },
    { when: 'in the middle of a load', ends: { signalAt: 'warm after' }, only: 'B2' },
  ]) {
    it(`[BENCH-5] a run that is ended ${when} writes what it has, exits with 1, and leaves nothing behind`, async () => {
      const out = await mkdtemp(join(tmpdir(), 'parley-bench-test-'))
      const env = { ...process.env, TMPDIR: await mkdtemp(join(tmpdir(), 'parley-bench-test-')) }
      const asked = run(process.execPath, [MAIN, '--only', only, '--quick', '--minutes', ends.minutes ?? '1', '--out', out], {
        env,
        timeout: LONGEST_MS,
      })
      let said = ''
      asked.child.stderr?.on('data', (text: string) => {
        const isOver = ends.signalAt !== undefined && said.includes(ends.signalAt)
        said += text
        // Once: whoever asks a second time is not asked to wait.
        if (!isOver && ends.signalAt !== undefined && said.includes(ends.signalAt)) asked.child.kill('SIGTERM')
      })
      const { code, stdout, stderr } = await asked.then(
        (told) => ({ code: 0, ...told }),
        (failed: { code: number; stdout: string; stderr: string }) => failed,
      )
      const { lines } = JSON.parse(await readFile(join(out, 'results.json'), 'utf8'))
      // How far it came by then depends on the machine: what it writes and what it prints is the same.
      const printed = stdout.split('\n').filter((line) => /^\| B\d+ /.test(line)).length
      expect(
        { code, printed, isTold: stderr.includes(`what is not done is left out`), hasTable: stdout.includes('| row |') },
        stderr,
      ).to.deep.equal({ code: 1, printed: lines.length, isTold: true, hasTable: true })
      expect(await readdir(env.TMPDIR), 'a hub that still started when the time was over lives on').to.deep.equal([])
      for (const folder of [out, env.TMPDIR]) await rm(folder, { recursive: true })
    })
  }

  it('[BENCH-2] refuses a row that there is not, and names those there are', async () => {
    const failure = await run(process.execPath, [MAIN, '--only', 'B99']).catch((error: { code: number; stderr: string }) => error)
    expect(failure).to.include({ code: 2 })
    expect(failure.stderr).to.contain('no such row: B99; there are B1, B2')
  })
})
