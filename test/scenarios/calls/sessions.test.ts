import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Push } from '../../../shared/protocol/index.ts'
import { type Client, connectAgent, connectAs, registerAgent } from '../../harness/people.ts'
import { advanceUntil, codeOf, openDatabaseOf, type Stage, setStage, shout, type Tools, until } from '../stage.ts'

type Session = Client & { session_id: string }

/** Which session of an agent has a call, and what becomes of it when the session is gone. */
describe('calls: sessions', () => {
  let stage: Stage
  /** Staff by the operator's token, which does not end while the clock moves. */
  let human: Client
  let first: Session

  beforeEach(async () => {
    stage = await setStage()
    first = stage.agent
    human = await connectAs(stage.hub, { auth: { token: stage.hub.operator_token } })
    await human.must('room.join', { contract_id: stage.contract_id })
    await human.next('live')
  })

  afterEach(async () => {
    await stage.mustBeSound()
    human.close()
    await stage.close()
  })

  const connect = (tools: Tools = [shout]) => connectAgent(stage.hub, stage.provider, tools)
  const hello = (client: Client, resume?: string) =>
    client.must('agent.hello', { protocol: 1, agent: { name: 'scribe', version: '1.0.0' }, ...(resume ? { resume } : {}) })
  const callsTo = (client: Client, call_id: string) =>
    client.told.filter(({ type, payload }) => type === 'core.tool.call' && (payload as Push<'core.tool.call'>).call_id === call_id).length
  const sentTo = (client: Client, call_id: string) => client.next('core.tool.call', (call) => call.call_id === call_id)
  const ofCall = async (call_id: string) => (await stage.log()).filter(({ data }) => data['call_id'] === call_id)
  const typesOf = async (call_id: string) => (await ofCall(call_id)).map(({ type }) => type)
  const ask = async (tool = 'shout') =>
    (await human.must('tool.call', { contract_id: stage.contract_id, key: randomUUID(), tool, input: { text: 'x' } })).call_id

  /** Cuts the connection without a word, and waits until the hub knows. */
  async function cut(client: Session): Promise<void> {
    const database = await openDatabaseOf(stage.hub)
    client.socket.io.engine.close()
    const sessions = database.collection<{ _id: string; live: boolean }>('agent_sessions')
    await until('the hub noticed', async () => (await sessions.findOne({ _id: client.session_id }))?.live === false)
    await database.close()
  }

  it('[CALL-5] an acknowledgement, a chunk or a result of the session that was sent the call starts it, once', async () => {
    first.socket.on('core.tool.call', (_call: unknown, ack: (nothing: null) => void) => ack(null))
    const call_id = await ask()
    await human.event(stage.contract_id, 'call.started', ({ seq }) => seq > 0)
    await first.must('agent.tool.stream', { call_id, seq: 1, chunk: 'x' })
    await first.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect(await typesOf(call_id)).to.deep.equal(['call.requested', 'call.started', 'call.succeeded'])
    expect((await ofCall(call_id))[1]?.data).to.deep.equal({ call_id, session_id: first.session_id })
  })

  it('[CALL-6] a call goes to the newest session that has the tool, and is its own who starts it', async () => {
    const both = await connect([shout, { ...shout, name: 'whisper' }])
    const newest = await connect([
      { ...shout, name: 'whisper' },
      { ...shout, name: 'sing' },
    ])
    const whisper = await ask('whisper')
    await sentTo(newest, whisper)
    expect(callsTo(both, whisper)).to.equal(0)
    // What an older session answers was started by it, though a newer one is there.
    await both.must('agent.tool.stream', { call_id: whisper, seq: 1, chunk: 'mine' })
    expect((await ofCall(whisper))[1]?.data['session_id']).to.equal(both.session_id)
    await both.must('agent.tool.result', { call_id: whisper, status: 'succeeded' })

    newest.close()
    await both.must('agent.tools.register', { tools: [shout, { ...shout, name: 'whisper' }, { ...shout, name: 'sing' }] })
    const sing = await ask('sing')
    await sentTo(both, sing)
    await both.must('agent.tool.result', { call_id: sing, status: 'succeeded' })
    both.close()
  })

  it('[CALL-35] a session that registered no tools takes no call from one that did, and gets it when that one is gone', async () => {
    const call_id = await ask()
    await sentTo(first, call_id)
    const reader = await connectAs(stage.hub, stage.provider)
    await hello(reader)
    const later = await ask()
    await sentTo(first, later)
    expect([call_id, later].map((id) => callsTo(reader, id))).to.deep.equal([0, 0])
    await first.must('agent.tool.result', { call_id, status: 'succeeded' })
    await cut(first)
    await sentTo(reader, later)
    await reader.must('agent.tool.result', { call_id: later, status: 'succeeded' })
    reader.close()
  })

  it('[CALL-7] a call that was not started goes to the other session when its own is gone', async () => {
    const second = await connect()
    const call_id = await ask()
    await sentTo(second, call_id)
    expect(callsTo(first, call_id)).to.equal(0)
    await cut(second)
    await sentTo(first, call_id)
    await first.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect((await ofCall(call_id))[1]?.data['session_id']).to.equal(first.session_id)
  })

  it('[CALL-8] a started call is abandoned 45 s after its session was lost, with what it had streamed', async () => {
    const call_id = await ask()
    await sentTo(first, call_id)
    await first.must('agent.tool.stream', { call_id, seq: 1, chunk: 'half' })
    stage.clock.advance(10_000)
    const lost_ms = stage.clock.now()
    await cut(first)
    const second = await connect()
    await second.must('agent.heartbeat', {})
    stage.clock.advance(44_000)
    await second.must('agent.heartbeat', {})
    expect(await typesOf(call_id)).to.deep.equal(['call.requested', 'call.started'])
    expect(callsTo(second, call_id)).to.equal(0)
    await advanceUntil(stage.clock, 'it is abandoned', async () => (await typesOf(call_id)).length === 3, 100)
    const ended = (await ofCall(call_id))[2]
    expect(ended).to.include({ type: 'call.abandoned' })
    expect(ended?.data).to.deep.include({ error: { code: 'ABANDONED', message: "The agent's session did not come back" } })
    expect(ended?.data['stream']).to.include({ parts: 1, bytes: 4 })
    expect(Date.parse((ended as unknown as { at: string }).at) - lost_ms).to.be.within(45_000, 90_000)
    second.close()
  })

  it('[CALL-8] also one that waited longer than that before it was started', async () => {
    const asked_ms = stage.clock.now()
    const call_id = await ask()
    await sentTo(first, call_id)
    stage.clock.advance(30_000)
    await first.must('agent.heartbeat', {})
    stage.clock.advance(20_000)
    const database = await openDatabaseOf(stage.hub)
    const timers = database.collection<{ _id: string; due_at: Date }>('timers')
    const due_ms = async () => (await timers.findOne({ _id: `abandon:${call_id}` }))?.due_at.getTime() ?? 0
    await until('it was looked at while nobody had it', async () => (await due_ms()) >= asked_ms + 90_000)
    await first.must('agent.tool.stream', { call_id, seq: 1, chunk: 'half' })
    stage.clock.advance(5_000)
    const lost_ms = stage.clock.now()
    await cut(first)
    await until('its session is waited for', async () => (await due_ms()) >= lost_ms + 45_000)
    await database.close()
    stage.clock.advance(44_000)
    await advanceUntil(stage.clock, 'it is abandoned', async () => (await typesOf(call_id)).length === 3, 100)
    const ended = (await ofCall(call_id))[2]
    expect(ended).to.include({ type: 'call.abandoned' })
    expect(Date.parse((ended as unknown as { at: string }).at) - lost_ms).to.be.within(45_000, 90_000)
  })

  it('[CALL-9] a session that comes back in time goes on with its calls; a foreign one cannot be taken up', async () => {
    const call_id = await ask()
    await sentTo(first, call_id)
    await first.must('agent.tool.stream', { call_id, seq: 1, chunk: 'one ' })
    await cut(first)
    stage.clock.advance(40_000)
    const back = await connectAs(stage.hub, stage.provider)
    expect((await hello(back, first.session_id)).session_id).to.equal(first.session_id)
    await sentTo(back, call_id)
    await back.must('agent.heartbeat', {})
    stage.clock.advance(60_000)
    await back.must('agent.heartbeat', {})
    expect(await typesOf(call_id)).to.deep.equal(['call.requested', 'call.started'])
    await back.must('agent.tool.stream', { call_id, seq: 2, chunk: 'two' })
    await back.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect((await ofCall(call_id)).at(-1)?.data['stream']).to.include({ parts: 2, bytes: 7 })

    const other = await connectAs(stage.hub, await registerAgent(stage.hub))
    const { session_id } = await hello(other, first.session_id)
    expect(session_id).not.to.equal(first.session_id)
    other.close()
    back.close()
  })

  it('[CALL-9] a session that comes back before its old connection is known to be dead gets its calls on the new one', async () => {
    const call_id = await ask()
    await sentTo(first, call_id)
    await first.must('agent.tool.stream', { call_id, seq: 1, chunk: 'x' })
    const back = await connectAs(stage.hub, stage.provider)
    await hello(back, first.session_id)
    await sentTo(back, call_id)
    await human.must('tool.cancel', { contract_id: stage.contract_id, call_id })
    await back.next('core.tool.cancel', (cancel) => cancel.call_id === call_id)
    await back.must('agent.tool.result', { call_id, status: 'canceled' })
    back.close()
  })

  it('[CALL-10] with no session a call waits, and is sent upon hello and upon registration', async () => {
    first.close()
    const waiting = await ask()
    const bare = await connectAs(stage.hub, stage.provider)
    await hello(bare)
    await sentTo(bare, waiting)
    await bare.must('agent.tools.register', { tools: [{ ...shout, name: 'other' }] })
    expect(
      codeOf(await human.ask('tool.call', { contract_id: stage.contract_id, key: 'gone', tool: 'shout', input: { text: 'x' } })),
    ).to.equal('ok')
    expect((await stage.log()).at(-1)?.data['error']).to.have.property('code', 'TOOL_UNKNOWN')
    const late = await connectAs(stage.hub, stage.provider)
    await hello(late)
    await late.must('agent.tools.register', { tools: [shout] })
    await sentTo(late, waiting)
    await late.must('agent.tool.result', { call_id: waiting, status: 'succeeded' })
    for (const client of [bare, late]) client.close()
  })

  it('[CALL-11] a hello brings all open calls again, and the cancels that came meanwhile', async () => {
    const running = await ask()
    await sentTo(first, running)
    await first.must('agent.tool.stream', { call_id: running, seq: 1, chunk: 'x' })
    await cut(first)
    const waiting = await ask()
    const canceled = await ask()
    await human.must('tool.cancel', { contract_id: stage.contract_id, call_id: canceled })
    const back = await connectAs(stage.hub, stage.provider)
    await hello(back, first.session_id)
    await sentTo(back, running)
    await sentTo(back, waiting)
    await back.next('core.tool.cancel', (cancel) => cancel.call_id === canceled)
    expect(callsTo(back, canceled)).to.equal(0)
    for (const call_id of [running, waiting]) await back.must('agent.tool.result', { call_id, status: 'succeeded' })
    back.close()
  })

  it('[CALL-31] a call that ended while its session had no connection is told to it when it is back on the same node', async () => {
    const [ended, done] = [await ask(), await ask()]
    for (const call_id of [ended, done]) {
      await sentTo(first, call_id)
      await first.must('agent.tool.stream', { call_id, seq: 1, chunk: 'x' })
    }
    await first.must('agent.tool.result', { call_id: done, status: 'succeeded' })
    await cut(first)
    await human.must('tool.cancel', { contract_id: stage.contract_id, call_id: ended })
    await advanceUntil(stage.clock, 'it is canceled', async () => (await typesOf(ended)).includes('call.canceled'), 100)
    const back = await connectAs(stage.hub, stage.provider)
    await hello(back, first.session_id)
    const told = () => back.told.filter(({ type }) => type === 'core.tool.cancel').map(({ payload }) => payload)
    await advanceUntil(stage.clock, 'it is told', () => told().length > 0)
    expect(told()).to.deep.equal([{ call_id: ended, reason: 'call.canceled' }])
    back.close()
  })
})
