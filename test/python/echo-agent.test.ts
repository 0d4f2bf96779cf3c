import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startHub, type TestHub } from '../harness/hub.ts'
import { connectAs, openContract } from '../harness/people.ts'
import { until } from '../scenarios/stage.ts'
import { type Program, runProgram } from '../scripts/run-program.ts'
import { pythonEnvironment } from './python-environment.ts'

/** The packages of the environment come over the network the first time. */
const INSTALL_MS = 180_000
const root = fileURLToPath(new URL('../..', import.meta.url))

describe('the example agent in Python', () => {
  let python: string
  let hub: TestHub
  const running: Program[] = []

  before(async function () {
    this.timeout(INSTALL_MS)
    python = await pythonEnvironment()
    hub = await startHub()
  })
  afterEach(async () => {
    for (const { process } of running) process.kill('SIGKILL')
    await Promise.all(running.splice(0).map(({ ended }) => ended))
  })
  after(() => hub?.close())

  function start(env: NodeJS.ProcessEnv): Program {
    const agent = runProgram({ command: python, args: ['examples/echo_agent.py'], cwd: root, env: { PARLEY_URL: hub.url, ...env } })
    running.push(agent)
    return agent
  }

  it('[PY-14] it repeats what is said, and answers calls of its tool', async () => {
    const { contract_id, requester, provider } = await openContract(hub)
    const human = await connectAs(hub, requester)
    await human.must('room.join', { contract_id })
    const agent = start({ PARLEY_KEY: provider.bearer })
    await human.must('message.post', { contract_id, key: 'one', body: 'hello' })
    const reply = await human.event(contract_id, 'message.posted', (event) => 'by' in event && event.by.id === provider.id)
    expect(reply.data['body']).to.equal('You said: hello')
    await until('it has its tool', async () => {
      const joined = await human.ask('room.join', { contract_id })
      return joined.ok && joined.view.tools.length > 0
    })
    await human.must('tool.call', { contract_id, key: 'two', tool: 'shout', input: { text: 'fox' } })
    expect((await human.event(contract_id, 'call.succeeded')).data['output']).to.equal('FOX')
    human.close()
    expect(agent.said()).to.equal('')
  })

  it('[PY-14] without a key, or with one that is none, it ends with one line that says what to do', async () => {
    for (const key of ['', 'pk_agent_live_half']) {
      const agent = start({ PARLEY_KEY: key })
      expect(await agent.ended).to.equal(1)
      expect(agent.said()).to.match(/^.*PARLEY_KEY.*\n$/)
    }
  })
})
