import { createHash } from 'node:crypto'
import { expect } from 'chai'
import type { WireEvent } from '../../shared/protocol/index.ts'
import { type Client, connectAs, type Person } from '../harness/people.ts'
import { codeOf } from '../scenarios/stage.ts'
import { type Nodes, sees, shout, startNodes, stepUntil, troublesOf, wholeLog } from './nodes.ts'

type AgentClient = Client & { session_id: string }

const terminals = /^call\.(succeeded|failed|canceled|timed_out|abandoned)$/

describe('calls on several nodes', () => {
  let nodes: Nodes
  let human: Client
  const agents: Client[] = []

  beforeEach(async () => {
    nodes = await startNodes()
    human = await nodes.join(nodes.requester, 0)
  })

  afterEach(async () => {
    for (const agent of agents.splice(0)) agent.close()
    await nodes.close()
  })

  /** An agent with one tool. Unless it is silent it says that it has a call, which starts it. */
  async function agentOn(at: number, { resume, isSilent = false }: { resume?: string; isSilent?: boolean } = {}): Promise<AgentClient> {
    const client = await connectAs(nodes.hub(at), nodes.provider as Person)
    agents.push(client)
    if (!isSilent) client.socket.on('core.tool.call', (_call: unknown, ack: () => void) => ack())
    const about = { protocol: 1, agent: { name: 'scribe', version: '1.0.0' } }
    const { session_id } = await client.must('agent.hello', resume === undefined ? about : { ...about, resume })
    await client.must('agent.tools.register', { tools: [{ ...shout, input_schema: { ...shout.input_schema } }] as never })
    return { ...client, session_id }
  }

  async function ask(key: string): Promise<string> {
    const { contract_id } = nodes
    return (await human.must('tool.call', { contract_id, key, tool: 'shout', input: { text: 'hello' } })).call_id
  }

  const sentTo = (agent: Client, call_id: string) => agent.next('core.tool.call', (call) => call.call_id === call_id)
  const wasSent = (agent: Client, call_id: string) =>
    agent.told.some(({ type, payload }) => type === 'core.tool.call' && (payload as { call_id: string }).call_id === call_id)
  const eventOf = (client: Client, type: string, call_id: string) =>
    client.event(nodes.contract_id, type, (event) => 'data' in event && 'call_id' in event.data && event.data.call_id === call_id)
  const endsOf = async (call_id: string) =>
    (await wholeLog(nodes.hub(0), nodes.contract_id)).filter(
      (event: WireEvent) => terminals.test(event.type) && 'data' in event && 'call_id' in event.data && event.data.call_id === call_id,
    )

  it('[NODE-14] a call reaches the agent on another node at once, also the next one and one after that', async () => {
    const agent = await agentOn(1)
    for (const key of ['first', 'second', 'third']) {
      const call_id = await ask(key)
      await sentTo(agent, call_id)
      await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: key })
      expect((await eventOf(human, 'call.succeeded', call_id)).data['output']).to.equal(key)
    }
    expect(troublesOf(nodes)).to.deep.equal([])
  })

  it('[NODE-15] chunks come to the other node in order, after the start of their call; one who joins there late has the text', async () => {
    const agent = await agentOn(1)
    const call_id = await ask('stream')
    await sentTo(agent, call_id)
    const said = Array.from({ length: 40 }, (_, at) => `part ${at + 1};`)
    const half = said.length / 2
    await Promise.all(said.slice(0, half).map((chunk, at) => agent.must('agent.tool.stream', { call_id, seq: at + 1, chunk })))
    await human.next('chunk', (chunk) => chunk.seq === half)
    const late = await connectAs(nodes.hub(0), nodes.staff)
    const { view } = await late.must('room.join', { contract_id: nodes.contract_id })
    expect(view.calls[0]).to.include({ call_id, text: said.slice(0, half).join(''), next_seq: half + 1 })
    await late.next('live')
    await Promise.all(said.slice(half).map((chunk, at) => agent.must('agent.tool.stream', { call_id, seq: half + at + 1, chunk })))
    await late.next('chunk', (chunk) => chunk.seq === said.length)
    const places = human.told.flatMap(({ type, payload }): (string | number)[] => {
      if (type === 'chunk') return [(payload as { seq: number }).seq]
      const isStart = type === 'events' && (payload as { events: WireEvent[] }).events.some((event) => event.type === 'call.started')
      return isStart ? ['started'] : []
    })
    expect(places).to.deep.equal(['started', ...said.map((_, at) => at + 1)])
    await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: null })
    const { data } = await eventOf(human, 'call.succeeded', call_id)
    expect(data['stream']).to.deep.equal(sealOf(said))
    late.close()
  })

  for (const { name, isHeard } of [
    { name: 'heard by both', isHeard: true },
    { name: 'heard by nobody', isHeard: false },
  ]) {
    it(`[NODE-16] the seal is right when the agent moves between nodes in mid-stream, ${name}`, async () => {
      const said: string[] = []
      if (!isHeard) await nodes.redis.ask('ACL', 'SETUSER', 'default', '-spublish')
      const first = await agentOn(0)
      const call_id = await ask('moving')
      await sentTo(first, call_id)
      const stream = async (agent: Client, count: number) => {
        for (let left = count; left > 0; left--) {
          const chunk = `part ${said.push('') + 0};`
          said[said.length - 1] = chunk
          await agent.must('agent.tool.stream', { call_id, seq: said.length, chunk })
        }
      }
      await stream(first, 3)
      first.close()
      const second = await agentOn(1, { resume: first.session_id })
      await stream(second, 3)
      second.close()
      const third = await agentOn(0, { resume: first.session_id })
      await stream(third, 2)
      third.close()
      const fourth = await agentOn(1, { resume: first.session_id })
      await fourth.must('agent.tool.result', { call_id, status: 'succeeded', output: null })
      await nodes.redis.ask('ACL', 'SETUSER', 'default', '+spublish')
      const { data } = (await endsOf(call_id))[0] as unknown as { data: Record<string, unknown> }
      expect(data['stream']).to.deep.equal(sealOf(said))
      const path = `/contracts/${nodes.contract_id}/calls/${call_id}/text`
      const text = await fetch(nodes.hub(0).url + path, { headers: { authorization: `Bearer ${nodes.staff.bearer}` } })
      expect(await text.text()).to.equal(said.join(''))
    })
  }

  it('[NODE-17] of two sessions on two nodes the newest gets the call, and no other', async () => {
    const older = await agentOn(0)
    nodes.clock.advance(10)
    const newer = await agentOn(1)
    const call_id = await ask('newest')
    await sentTo(newer, call_id)
    await eventOf(human, 'call.started', call_id)
    expect(wasSent(older, call_id)).to.equal(false)
    await newer.must('agent.tool.result', { call_id, status: 'succeeded', output: 1 })
    nodes.clock.advance(10)
    const newest = await agentOn(0)
    const next = await ask('newest again')
    await sentTo(newest, next)
    await eventOf(human, 'call.started', next)
    expect([wasSent(older, next), wasSent(newer, next)]).to.deep.equal([false, false])
  })

  it('[NODE-18] two sessions that said hello in the same millisecond do not both get a call', async () => {
    // The caller is on neither of their nodes, so both are told that there is work.
    await nodes.add()
    const sessions = [await agentOn(1), await agentOn(2)]
    const call_id = await ask('tie')
    await eventOf(human, 'call.started', call_id)
    const rest = await ask('tie again')
    await eventOf(human, 'call.started', rest)
    expect(sessions.map((session) => wasSent(session, call_id)).toSorted()).to.deep.equal([false, true])
    expect(sessions.map((session) => wasSent(session, rest)).toSorted()).to.deep.equal([false, true])
  })

  it('[NODE-19] a call that was not started goes to the session on the other node when its own is gone', async () => {
    const older = await agentOn(0)
    nodes.clock.advance(10)
    const newer = await agentOn(1, { isSilent: true })
    const call_id = await ask('gone')
    await sentTo(newer, call_id)
    newer.close()
    await sentTo(older, call_id)
    expect((await eventOf(human, 'call.started', call_id)).data['session_id']).to.equal(older.session_id)
  })

  it('[NODE-20] a cancel reaches the agent on another node; a mute one is canceled once, by one of the nodes', async () => {
    const agent = await agentOn(1)
    const polite = await ask('polite')
    await sentTo(agent, polite)
    await eventOf(human, 'call.started', polite)
    await human.must('tool.cancel', { contract_id: nodes.contract_id, call_id: polite, reason: 'enough' })
    expect(await agent.next('core.tool.cancel', (cancel) => cancel.call_id === polite)).to.deep.equal({ call_id: polite, reason: 'enough' })
    await agent.must('agent.tool.result', { call_id: polite, status: 'canceled' })

    const mute = await ask('mute')
    await sentTo(agent, mute)
    await human.must('tool.cancel', { contract_id: nodes.contract_id, call_id: mute })
    await agent.next('core.tool.cancel', (cancel) => cancel.call_id === mute)
    await stepUntil(nodes, 'it is canceled', async () => (await endsOf(mute)).length > 0)
    expect((await endsOf(mute)).map(({ type }) => type)).to.deep.equal(['call.canceled'])
    expect(codeOf(await agent.ask('agent.tool.result', { call_id: mute, status: 'succeeded', output: 1 }))).to.equal('CALL_NOT_OPEN')
    expect(troublesOf(nodes)).to.deep.equal([])
  })

  it('[NODE-21] a deadline that both nodes sweep ends the call once', async () => {
    const agent = await agentOn(1)
    const calls = await Promise.all(Array.from({ length: 10 }, (_, at) => ask(`deadline-${at}`)))
    for (const call_id of calls) await sentTo(agent, call_id)
    await stepUntil(
      nodes,
      'all have timed out',
      async () => {
        await agent.must('agent.heartbeat', {})
        return (await Promise.all(calls.map(endsOf))).every((ends) => ends.length > 0)
      },
      5_000,
    )
    for (const call_id of calls) expect((await endsOf(call_id)).map(({ type }) => type)).to.deep.equal(['call.timed_out'])
    expect(troublesOf(nodes)).to.deep.equal([])
  })

  it('[NODE-22] an agent that moved to another node is not called ill, and keeps what it runs', async () => {
    const first = await agentOn(0)
    const call_id = await ask('kept')
    await sentTo(first, call_id)
    await eventOf(human, 'call.started', call_id)
    first.socket.io.engine.close()
    const second = await agentOn(1, { resume: first.session_id })
    await sentTo(second, call_id)
    for (let passed = 0; passed < 100_000; passed += 5_000) {
      nodes.clock.advance(5_000)
      await second.must('agent.heartbeat', {})
    }
    await second.must('agent.tool.result', { call_id, status: 'succeeded', output: 'kept' })
    const types = (await wholeLog(nodes.hub(0), nodes.contract_id)).map(({ type }) => type)
    expect(types).to.deep.equal(['contract.opened', 'call.requested', 'call.started', 'call.succeeded'])
  })

  it('[NODE-23] an agent that was ill on one node is told well on the other', async () => {
    const first = await agentOn(0)
    // What the other node knows of the room is from before the illness.
    const guest = await nodes.join(nodes.staff, 1)
    await guest.must('room.leave', { contract_id: nodes.contract_id })
    first.socket.io.engine.close()
    nodes.clock.advance(45_000)
    await human.event(nodes.contract_id, 'agent.unhealthy')
    await agentOn(1)
    await human.event(nodes.contract_id, 'agent.recovered')
    const { seq } = await human.must('message.post', { contract_id: nodes.contract_id, key: 'end', body: 'end' })
    await sees(human, nodes.contract_id, seq)
    expect(human.events(nodes.contract_id).map(({ type }) => type)).to.deep.equal(['agent.unhealthy', 'agent.recovered', 'message.posted'])
  })

  it('[NODE-35] a session that was taken up on another node is that one’s: the connection before has none, with and without the bus', async () => {
    for (const hasBus of [true, false]) {
      const old = await agentOn(0)
      const call_id = await ask(`held ${hasBus}`)
      await eventOf(human, 'call.started', call_id)
      if (!hasBus) await nodes.redis.stop()
      const back = await agentOn(1, { resume: old.session_id })
      expect(back.session_id).to.equal(old.session_id)
      const isOut = async () => codeOf(await old.ask('agent.heartbeat', {})) === 'HELLO_REQUIRED'
      await stepUntil(nodes, 'the old node knows', isOut, hasBus ? 0 : 1_000)
      expect(codeOf(await old.ask('agent.tool.result', { call_id, status: 'succeeded', output: 'old' }))).to.equal('HELLO_REQUIRED')
      await back.must('agent.tool.result', { call_id, status: 'succeeded', output: 'new' })
      const [end] = await endsOf(call_id)
      expect(end).to.have.nested.property('data.output', 'new')
      // The next one is the newest session: of two in one moment either may get the call.
      nodes.clock.advance(1)
    }
  })
})

function sealOf(chunks: readonly string[]) {
  const text = chunks.join('')
  return { parts: chunks.length, bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') }
}
