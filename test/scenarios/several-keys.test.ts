import { expect } from 'chai'
import type { Profile } from '../../shared/protocol/index.ts'
import { api, type Client, connectAgent, connectAs, openContract, type Person } from '../harness/people.ts'
import { type Stage, setStage, settled, shout, until } from './stage.ts'

const whisper = { name: 'whisper', description: 'Says it quietly', input_schema: {} } as const

describe('several keys of one agent, at work', () => {
  let stage: Stage
  let clients: Client[]

  beforeEach(async () => {
    stage = await setStage()
    clients = []
  })
  afterEach(async () => {
    for (const client of clients) client.close()
    await stage.mustBeSound()
    await stage.close()
  })

  async function keyOf({ id, bearer }: Person, profile?: Profile): Promise<Person> {
    const { body } = await api<{ api_key: string }>(stage.hub, 'POST', `/agents/${id}/keys`, { body: profile ? { profile } : {}, bearer })
    return { id, auth: { key: body.api_key }, bearer: body.api_key }
  }

  const ask = (tool: string) => stage.human.must('tool.call', { contract_id: stage.contract_id, key: tool, tool, input: { text: 'hello' } })
  const sent = (client: Client) =>
    client.told.flatMap(({ type, payload }) => (type === 'core.tool.call' ? (payload as { call_id: string }).call_id : []))

  it('[PROF-15] what a key that is bound to tools registers stands beside what the other keys of its agent have, until the key ends', async () => {
    const { requester, contract_id } = await openContract(stage.hub, { provider: stage.provider })
    const human = await connectAs(stage.hub, requester)
    clients.push(human)
    const shown = async () =>
      (await human.must('room.join', { contract_id })).view.tools.map(({ name, description }) => [name, description])
    const [loud, soft, hum] = [shout, whisper, { ...whisper, name: 'hum' }].map(({ name, description }) => [name, description])
    await stage.agent.must('agent.tools.register', { tools: [shout, whisper] })
    const as = await keyOf(stage.provider, { allowed_tools: ['whisper', 'hum'] })
    const quiet = await connectAgent(stage.hub, as, [{ ...whisper, name: 'hum' }])
    clients.push(quiet)
    expect(await shown()).to.deep.equal([loud, soft, hum])
    await stage.agent.must('agent.tools.register', { tools: [shout] })
    expect(await shown(), 'the other comes back, and registers anew').to.have.deep.members([loud, hum])
    await quiet.must('agent.tools.register', { tools: [{ ...whisper, description: 'Another' }] })
    expect(await shown(), 'its own are replaced').to.deep.equal([loud, ['whisper', 'Another']])
    await stage.agent.must('agent.tools.register', { tools: [shout, whisper] })
    expect(await shown(), 'of two of one name the newest').to.have.deep.members([loud, soft])
    await quiet.must('agent.tools.register', { tools: [{ ...whisper, name: 'hum' }] })
    const { body } = await api<{ items: { key_id: string; profile?: object }[] }>(stage.hub, 'GET', `/agents/${as.id}/keys`, stage.provider)
    const bound = body.items.find(({ profile }) => profile !== undefined)
    await api(stage.hub, 'DELETE', `/agents/${as.id}/keys/${bound?.key_id}`, stage.provider)
    await stage.agent.must('agent.tools.register', { tools: [shout] })
    expect(await shown()).to.deep.equal([loud])
  })

  it('[PROF-16] keys that a bounded key hands on, and those that replace it, have the tasks under way together with it', async () => {
    stage.agent.socket.disconnect()
    const key = await keyOf(stage.provider, { max_concurrent_tasks: 1 })
    const first = await connectAgent(stage.hub, key)
    const sessions = [first, await connectAgent(stage.hub, await keyOf(key), [whisper])]
    clients.push(...sessions)
    // One tool for each session: none is passed over for the other.
    await first.must('agent.tools.register', { tools: [shout, whisper] })
    const asked = [await ask('shout'), await ask('whisper')]
    await until('the first one is sent', () => sessions.flatMap(sent).length > 0)
    await settled(stage)
    await Promise.all(sessions.map((session) => session.must('agent.heartbeat', {})))
    const [call_id = '', ...more] = sessions.flatMap(sent)
    expect(more).to.deep.equal([])
    const holder = sessions.find((session) => sent(session).length > 0)
    await holder?.must('agent.tool.result', { call_id, status: 'succeeded', output: 1 })
    await until('the next one is sent', () => sessions.flatMap(sent).length === asked.length)
  })
})
