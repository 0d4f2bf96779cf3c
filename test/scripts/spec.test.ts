import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { runProgram } from './run-program.ts'
import { forgetFolders, temporaryFolder } from './temporary-folder.ts'

const script = fileURLToPath(new URL('../../scripts/spec.ts', import.meta.url))

const spec = `# Promises
- **LOG-1** An acknowledged frame stays.
- **LOG-2** The log has no gap.
`
const proof = `it('[LOG-1] stays', () => {})\nit(\`[LOG-2] has no gap in \${'a'} room\`, () => {})\n`

describe('the SPEC check', () => {
  afterEach(forgetFolders)

  it('[HOUSE-3] passes when every promise has its test', async () => {
    expect(await check({ 'docs/SPEC.md': spec, 'test/log.test.ts': proof })).to.deep.equal({
      code: 0,
      said: ['2 promises, each with its test.'],
    })
  })

  it('[HOUSE-3] names a promise without a test, also when its test is skipped or only spoken of', async () => {
    const test = `it('[LOG-1] stays', () => {})\nit.skip('[LOG-2] has no gap', () => {})\n// it('[LOG-2] …')\nconst text = "it('[LOG-2] …')"\n`
    const { code, said } = await check({ 'docs/SPEC.md': spec, 'test/log.test.ts': test })
    expect(code).to.equal(1)
    expect(said[0]).to.equal('docs/SPEC.md:3: no test that runs begins with [LOG-2]')
  })

  it('[HOUSE-3] names a test without a number, with one nobody promised, and with a title that is computed', async () => {
    const tests = `it('stays', () => {})\nit('[LOG-9] flies', () => {})\nfor (const name of ['a']) it(name, () => {})\n`
    const { code, said } = await check({ 'docs/SPEC.md': spec, 'test/log.test.ts': proof, 'test/rooms.suite.ts': tests })
    expect(code).to.equal(1)
    expect(said.slice(0, 3)).to.deep.equal([
      "test/rooms.suite.ts:1: 'stays' does not begin with its promise's number: it('[ABC-12] …', …)",
      "test/rooms.suite.ts:2: '[LOG-9] flies' names LOG-9, which docs/SPEC.md does not promise",
      "test/rooms.suite.ts:3: a title that is computed does not begin with its promise's number: it('[ABC-12] …', …)",
    ])
  })

  it('[HOUSE-3] names a number that is promised twice, and a promise that is written another way', async () => {
    const twice = `${spec}- **LOG-1** Again.\n* **LOG-3**: with a colon.\n`
    const { code, said } = await check({ 'docs/SPEC.md': twice, 'test/log.test.ts': proof })
    expect(code).to.equal(1)
    expect(said.slice(0, 2)).to.deep.equal([
      'docs/SPEC.md:4: LOG-1 is promised at docs/SPEC.md:2 already; a number is never used again',
      'docs/SPEC.md:5: a promise reads `- **ABC-12** text`: * **LOG-3**: with a colon.',
    ])
  })
})

async function check(files: Record<string, string>): Promise<{ code: number | null; said: string[] }> {
  const folder = temporaryFolder(files)
  const program = runProgram({ command: process.execPath, args: [script, folder], cwd: folder })
  const code = await program.ended
  return { code, said: program.said().trim().split('\n') }
}
