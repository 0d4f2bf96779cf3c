import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'

const MAIN = fileURLToPath(new URL('../../bench/main.ts', import.meta.url))
const run = promisify(execFile)

describe('npm run bench', () => {
  it('[BENCH-1] ends by itself with a table, its numbers as JSON, and a plot', async () => {
    const out = await mkdtemp(join(tmpdir(), 'parley-bench-test-'))
    const { stdout } = await run(process.execPath, [MAIN, '--only', 'B6', '--quick', '--out', out], { timeout: 55_000 })
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
  }).timeout(60_000)

  it('[BENCH-2] refuses a row that there is not, and names those there are', async () => {
    const failure = await run(process.execPath, [MAIN, '--only', 'B99']).catch((error: { code: number; stderr: string }) => error)
    expect(failure).to.include({ code: 2 })
    expect(failure.stderr).to.contain('no such row: B99; there are B1, B2')
  })
})
