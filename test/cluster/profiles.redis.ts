import { expect } from 'chai'
import type { Profile } from '../../shared/protocol/index.ts'
import { api, type Client, connectAgent, type Person } from '../harness/people.ts'
import { type Nodes, shout, startNodes, stepUntil, troublesOf } from './nodes.ts'

describe('profiles of keys on several nodes', () => {
  let nodes: Nodes
  let human: Client
  const agents: Client[] = []

  beforeEach(async () => {
    nodes = await startNodes()
    human = await nodes.join(nodes.requester, 0)
  })
  afterEach(async () => {
    for (const agent of agents.splice(0)) agent.close()
    expect(troublesOf(nodes)).to.deep.equal([])
    await nodes.close()
  })

  async function keyOf(profile: Profile): Promise<Person> {
    const { provider } = nodes
    const asked = { body: { profile }, bearer: provider.bearer }
    const { body } = await api<{ api_key: string }>(nodes.hub(0), 'POST', `/agents/${provider.id}/keys`, asked)
    return { id: provider.id, auth: { key: body.api_key }, bearer: body.api_key }
  }

  /** A later hello than those before it. Its acknowledgement of a call starts it. */
  async function agentOn(at: number, as: Person, tools: object[] = [{ ...shout }]): Promise<Client> {
    nodes.clock.advance(1_000)
    const client = await connectAgent(nodes.hub(at), as, tools as never)
    client.socket.on('core.tool.call', (_call: unknown, ack: () => void) => ack())
    agents.push(client)
    return client
  }

  async function ask(key: string): Promise<string> {
    const call = { contract_id: nodes.contract_id, key, tool: 'shout', input: { text: 'hello' } }
    return (await human.must('tool.call', call)).call_id
  }

  /** One that runs may be sent again. */
  const sent = (agent: Client) => [
    ...new Set(agent.told.flatMap(({ type, payload }) => (type === 'core.tool.call' ? (payload as { call_id: string }).call_id : []))),
  ]
  const started = (call_id: string) =>
    human.event(nodes.contract_id, 'call.started', (event) => 'data' in event && 'call_id' in event.data && event.data.call_id === call_id)

  it('[PROF-3] a call goes past a newer session of another node whose key does not allow the tool', async () => {
    const older = await agentOn(0, nodes.provider)
    const newer = await agentOn(1, await keyOf({ allowed_tools: ['whisper'] }), [])
    const call_id = await ask('one')
    await older.next('core.tool.call', (call) => call.call_id === call_id)
    expect(sent(newer)).to.deep.equal([])
  })

  it('[PROF-5] what sessions of one key have under way on another node counts, and its end makes room', async () => {
    const key = await keyOf({ max_concurrent_tasks: 2 })
    const older = await agentOn(0, key)
    const held = [await ask('one'), await ask('two')]
    for (const call_id of held) await started(call_id)
    const newer = await agentOn(1, key)
    const waiting = await ask('three')
    // Two rounds of the newer session's node, which would bring it.
    let rounds = 0
    await stepUntil(nodes, 'it was looked at', () => ++rounds > 12)
    expect([sent(older), sent(newer)]).to.deep.equal([held, []])
    await older.must('agent.tool.result', { call_id: held[0] ?? '', status: 'succeeded', output: 1 })
    await stepUntil(nodes, 'it is sent', () => sent(newer).includes(waiting))
    expect(sent(older)).to.deep.equal(held)
  })
})
