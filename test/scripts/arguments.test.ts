import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { runProgram } from './run-program.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

async function run(args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; said: string; printed: string }> {
  const program = runProgram({ command: process.execPath, args, cwd: project, env })
  return { code: await program.ended, said: program.said(), printed: program.printed() }
}

describe('the scripts of an operator', () => {
  for (const script of ['scripts/verify.ts', 'scripts/backup.ts']) {
    it(`[OPS-6] ${script} says how it is called when it is asked, and when an option is unknown`, async () => {
      const [asked, wrong] = await Promise.all([run([script, '--help']), run([script, '--nope'])])
      expect(asked).to.include({ code: 0 })
      expect(asked.printed).to.match(new RegExp(`^usage: scripts/node ${script} `))
      expect(wrong.code).to.be.above(0)
      expect(wrong.said).to.include("Unknown option '--nope'. usage: ")
    })
  }

  it('[OPS-6] a file that is no transcript is named', async () => {
    for (const file of ['nosuch.json', 'README.md', 'package.json']) {
      const { code, said } = await run(['scripts/verify.ts', file])
      expect(code, file).to.equal(2)
      expect(said).to.match(new RegExp(`^${file} is no transcript: `))
    }
  })

  it('[OPS-6] no copy is made of the embedded database where MONGODB_URI names another', async () => {
    const { code, said } = await run(['scripts/backup.ts', 'never'], { MONGODB_URI: 'mongodb://localhost/parley' })
    expect(code).to.equal(1)
    expect(said).to.include('MONGODB_URI is set').and.to.include('mongodump')
  })
})
