import { expect } from 'chai'
import { createManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { type Client, connectAgent, connectAs, openContract } from '../harness/people.ts'

const shout = {
  name: 'shout',
  description: 'Says it louder',
  input_schema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'], additionalProperties: false },
}

/** The seven regression cases of the agent protocol, over real sockets. */
describe('the seven cases', () => {
  const clock = createManualClock()
  let hub: TestHub
  let agent: Client & { session_id: string }
  let human: Client
  let contract_id: string

  before(async () => {
    hub = await startHub({ clock })
    const contract = await openContract(hub)
    contract_id = contract.contract_id
    agent = await connectAgent(hub, contract.provider, [shout])
    human = await connectAs(hub, contract.requester)
    await human.must('room.join', { contract_id })
    await human.next('live')
  })

  after(async () => {
    agent.close()
    human.close()
    await hub.close()
    expect(hub.troubles).to.deep.equal([])
  })

  async function callShout(key: string) {
    const { call_id } = await human.must('tool.call', { contract_id, key, tool: 'shout', input: { text: 'hello' } })
    const told = await agent.next('core.tool.call', (call) => call.call_id === call_id)
    return { call_id, told }
  }

  it('[CASE-1] agent.hello is answered by core.welcome', async () => {
    const welcome = await agent.next('core.welcome')
    expect(welcome.protocol).to.equal(1)
    expect(welcome.session_id).to.equal(agent.session_id)
    expect(welcome.principal).to.include({ kind: 'agent', name: 'Scribe' })
    expect(welcome.contracts.map((contract) => contract.contract_id)).to.deep.equal([contract_id])
    expect(welcome.limits).to.include({ frame_bytes: 262_144, cancel_deadline_ms: 2_000 })
  })

  it('[CASE-2] agent.tools.register is answered by core.tools.registered', async () => {
    const again = await agent.must('agent.tools.register', { tools: [shout] })
    expect(again.tools).to.deep.equal(['shout'])
    expect(await agent.next('core.tools.registered')).to.deep.equal({ tools: ['shout'] })
  })

  it('[CASE-3] a call reaches the agent, and its result the room, once', async () => {
    const { call_id, told } = await callShout('case-3')
    expect(told).to.deep.include({ contract_id, call_id, tool: 'shout', input: { text: 'hello' }, term: 1 })
    const first = await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: { text: 'HELLO' } })
    const ended = await human.event(
      contract_id,
      'call.succeeded',
      (event) => 'data' in event && 'call_id' in event.data && event.data.call_id === call_id,
    )
    expect(ended.data).to.deep.equal({ call_id, tool: 'shout', output: { text: 'HELLO' } })
    expect(ended.seq).to.equal(first.seq)
    const again = await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: { text: 'HELLO' } })
    expect(again).to.deep.equal({ ok: true, seq: first.seq, duplicate: true })
  })

  it('[CASE-4] invalid input becomes call.failed with a code, and the agent never sees it', async () => {
    const before = agent.told.length
    const { call_id, seq } = await human.must('tool.call', { contract_id, key: 'case-4', tool: 'shout', input: { text: 7 } })
    const failed = await human.event(contract_id, 'call.failed', (event) => event.seq === seq)
    expect(failed.data['error']).to.deep.equal({ code: 'TOOL_INPUT_INVALID', message: '/text must be string' })
    expect(failed.data['call_id']).to.equal(call_id)
    const unknown = await human.must('tool.call', { contract_id, key: 'case-4b', tool: 'whisper', input: {} })
    const refused = await human.event(contract_id, 'call.failed', (event) => event.seq === unknown.seq)
    expect(refused.data['error']).to.have.property('code', 'TOOL_UNKNOWN')
    expect(agent.told.slice(before).map(({ type }) => type)).not.to.include('core.tool.call')
  })

  it('[CASE-5] chunks appear in order, a gap is refused, a late joiner gets the text so far', async () => {
    const { call_id } = await callShout('case-5')
    await agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'HEL' })
    const gap = await agent.ask('agent.tool.stream', { call_id, seq: 3, chunk: '!' })
    expect(gap).to.have.nested.property('error.code', 'CHUNK_OUT_OF_ORDER')
    expect(gap).to.have.nested.property('error.facts.next_seq', 2)
    const late = await connectAs(hub, { auth: { token: hub.operator_token } })
    const { view } = await late.must('room.join', { contract_id })
    expect(view.calls).to.have.lengthOf(1)
    expect(view.calls[0]).to.deep.include({ call_id, state: 'running', text: 'HEL', next_seq: 2 })
    await agent.must('agent.tool.stream', { call_id, seq: 2, chunk: 'LO' })
    expect((await late.next('chunk', (chunk) => chunk.seq === 2)).chunk).to.equal('LO')
    late.close()
    await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: null })
    const ended = await human.event(
      contract_id,
      'call.succeeded',
      (event) => 'data' in event && 'call_id' in event.data && event.data.call_id === call_id,
    )
    expect(ended.data['stream']).to.deep.equal({
      parts: 2,
      bytes: 5,
      sha256: '3733cd977ff8eb18b987357e22ced99f46097f31ecb239e878ae63760e83e4d5',
    })
    const chunks = human.told.filter(({ type }) => type === 'chunk').map(({ payload }) => payload)
    expect(chunks).to.deep.equal([
      { contract_id, call_id, seq: 1, chunk: 'HEL' },
      { contract_id, call_id, seq: 2, chunk: 'LO' },
    ])
  })

  it('[CASE-6] a cancel is told to the agent, and reached by the deadline even when it stays mute', async () => {
    const polite = await callShout('case-6a')
    await human.must('tool.cancel', { contract_id, call_id: polite.call_id, reason: 'enough' })
    expect(await agent.next('core.tool.cancel', (cancel) => cancel.call_id === polite.call_id)).to.deep.equal({
      call_id: polite.call_id,
      reason: 'enough',
    })
    await agent.must('agent.tool.result', { call_id: polite.call_id, status: 'canceled' })

    const mute = await callShout('case-6b')
    await human.must('tool.cancel', { contract_id, call_id: mute.call_id })
    await agent.next('core.tool.cancel', (cancel) => cancel.call_id === mute.call_id)
    clock.advance(2_000)
    const canceled = await human.event(
      contract_id,
      'call.canceled',
      (event) => 'data' in event && 'call_id' in event.data && event.data.call_id === mute.call_id,
    )
    expect(canceled).to.deep.include({ by: { kind: 'system', id: 'system' } })
    const late = await agent.ask('agent.tool.result', { call_id: mute.call_id, status: 'succeeded', output: 1 })
    expect(late).to.have.nested.property('error.code', 'CALL_NOT_OPEN')
  })

  it('[CASE-7] missed heartbeats make the agent unhealthy, a later one recovers it', async () => {
    const beat = await agent.must('agent.heartbeat', {})
    expect(Object.keys(beat.heads)).to.deep.equal([contract_id])
    clock.advance(44_999)
    clock.advance(1)
    const unhealthy = await human.event(contract_id, 'agent.unhealthy')
    expect(unhealthy.data['session_id']).to.equal(agent.session_id)
    await agent.must('agent.heartbeat', {})
    const recovered = await human.event(contract_id, 'agent.recovered')
    expect(recovered.seq).to.equal(unhealthy.seq + 1)
  })
})
