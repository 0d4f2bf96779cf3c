import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { connectAs, openContract } from '../../harness/people.ts'
import { type Program, runProgram } from '../../scripts/run-program.ts'
import { forgetFolders, temporaryFolder } from '../../scripts/temporary-folder.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
/** The agent of the README, as its reader writes it in a folder of his own. */
const agentCode = read('examples/echo-agent.ts').replace("'../client/sdk/node.ts'", "'parley-sdk/node'")

describe('the sdk as a package', () => {
  let hub: TestHub
  let folder: string
  const running: Program[] = []

  before(async () => {
    hub = await startHub()
    folder = temporaryFolder({ 'agent.ts': agentCode })
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund'], await packageFile(folder))
  })
  afterEach(async () => {
    for (const { process } of running) process.kill('SIGKILL')
    await Promise.all(running.splice(0).map(({ ended }) => ended))
  })
  after(async () => {
    forgetFolders()
    await hub.close()
  })

  const startAgent = (env: NodeJS.ProcessEnv): Program => {
    const agent = runProgram({ command: process.execPath, args: ['agent.ts'], cwd: folder, env })
    running.push(agent)
    return agent
  }

  it('[SDK-33] installed from the clone into an empty folder, with what its package.json names alone, it runs the agent of the README', async () => {
    expect(agentCode).to.not.include('client/sdk')
    const { contract_id, requester, provider } = await openContract(hub)
    startAgent({ PARLEY_URL: hub.url, PARLEY_KEY: provider.bearer })
    const human = await connectAs(hub, requester)
    await human.must('room.join', { contract_id })
    await human.must('message.post', { contract_id, key: 'one', body: 'hello' })
    const reply = await human.event(contract_id, 'message.posted', (event) => 'by' in event && event.by.id === provider.id)
    human.close()
    expect(reply.data['body']).to.equal('You said: hello')
  })

  it('[SDK-33] its types stand beside it, and hold in a strict project', async () => {
    const options = [
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--strict',
      '--noEmit',
      '--skipLibCheck',
      '--typeRoots',
      join(root, 'node_modules/@types'),
    ]
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    await run(process.execPath, [tsc, ...options, '--types', 'node', 'agent.ts'], folder)
  })

  it('[SDK-34] an agent without a key, or with one that is none, ends with one line that says what to do', async () => {
    const key =
      'The hub takes no such key: it is missing, not whole, or has ended. Set PARLEY_KEY to the `api_key` that POST /agents answered.'
    const cases: [NodeJS.ProcessEnv, string][] = [
      [{ PARLEY_URL: hub.url, PARLEY_KEY: '' }, key],
      [{ PARLEY_URL: hub.url, PARLEY_KEY: 'pk_agent_live_half' }, key],
    ]
    for (const [env, line] of cases) {
      const agent = startAgent(env)
      expect({ code: await agent.ended, said: agent.said() }).to.deep.equal({ code: 1, said: `parley: ${line}\n` })
    }
  })
})

/** A project whose only packages are the sdk's file and what that file's package.json names, from here: no registry is asked. */
async function packageFile(folder: string): Promise<string> {
  const packed = await run('npm', ['pack', '--silent', join(root, 'client/sdk')], folder)
  const { dependencies } = JSON.parse(read('client/sdk/package.json')) as { dependencies: Record<string, string> }
  const local = Object.keys(dependencies).map((name) => [name, `file:${join(root, 'node_modules', name)}`])
  const wanted = { 'parley-sdk': `file:${packed.trim()}`, ...Object.fromEntries(local) }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies: wanted }))
  return folder
}

/** What it printed on standard output; everything that it said when it failed. */
async function run(command: string, args: string[], cwd: string): Promise<string> {
  const program = runProgram({ command, args, cwd })
  const code = await program.ended
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${program.said()}`)
  return program.printed()
}
