import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { type Client, connectAgent, connectAs } from '../../harness/people.ts'
import { advanceUntil, codeOf, openDatabaseOf, type Stage, setStage, shout, until } from '../../scenarios/stage.ts'

const about = { protocol: 1, agent: { name: 'scribe', version: '1.0.0' } }

interface Row {
  _id: string
  live: boolean
  expires_at?: Date
}

/** What a hello takes up, who answers a call, and when a session is forgotten. */
describe('agents: sessions', () => {
  let stage: Stage
  let human: Client

  beforeEach(async () => {
    stage = await setStage()
    human = await connectAs(stage.hub, { auth: { token: stage.hub.operator_token } })
  })

  afterEach(async () => {
    await stage.mustBeSound()
    human.close()
    await stage.close()
  })

  async function rows(): Promise<Row[]> {
    const database = await openDatabaseOf(stage.hub)
    const found = await database.collection<Row>('agent_sessions').find({ agent_id: stage.provider.id }).sort({ _id: 1 }).toArray()
    await database.close()
    return found
  }

  async function started(holder: Client): Promise<string> {
    const { contract_id } = stage
    const { call_id } = await human.must('tool.call', { contract_id, key: randomUUID(), tool: 'shout', input: { text: 'x' } })
    await holder.next('core.tool.call', (call) => call.call_id === call_id)
    await holder.must('agent.tool.stream', { call_id, seq: 1, chunk: 'mine;' })
    return call_id
  }
  const endOf = async (call_id: string) => (await stage.log()).filter(({ data }) => data['call_id'] === call_id).at(-1)

  it('[HOLD-1] a second hello on one connection goes on with its session, however often, and leaves no rows behind', async () => {
    const { agent } = stage
    const call_id = await started(agent)
    for (let n = 0; n < 20; n++) expect((await agent.must('agent.hello', about)).session_id).to.equal(agent.session_id)
    const unknown = { ...about, resume: randomUUID() }
    expect((await agent.must('agent.hello', unknown)).session_id).to.equal(agent.session_id)
    expect(await rows()).to.have.lengthOf(1)
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect((await endOf(call_id))?.type).to.equal('call.succeeded')
  })

  it('[HOLD-1] when it names another session of the agent, it takes that one up, and hangs up its own', async () => {
    const { agent, hub, provider } = stage
    const call_id = await started(agent)
    const second = await connectAgent(hub, provider)
    const { session_id } = await second.must('agent.hello', { ...about, resume: agent.session_id })
    expect(session_id).to.equal(agent.session_id)
    await until('its own is over', async () => (await rows()).find(({ _id }) => _id === second.session_id)?.live === false)
    await second.must('agent.tool.result', { call_id, status: 'succeeded' })
    second.close()
  })

  it('[HOLD-2] a session has one connection, that of its last hello: the one before has none until it says hello again', async () => {
    const { agent, hub, provider, clock } = stage
    const call_id = await started(agent)
    const back = await connectAs(hub, provider)
    await back.must('agent.hello', { ...about, resume: agent.session_id })
    for (const [type, payload] of [
      ['agent.tool.stream', { call_id, seq: 2, chunk: 'of the old one;' }],
      ['agent.tool.result', { call_id, status: 'succeeded', output: 'of the old one' }],
      ['agent.heartbeat', {}],
    ] as const) {
      expect(codeOf(await agent.ask(type, payload as never)), type).to.equal('HELLO_REQUIRED')
    }
    await back.must('agent.tool.stream', { call_id, seq: 2, chunk: 'of the new one' })
    await back.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect((await endOf(call_id))?.data['stream']).to.include({ parts: 2, bytes: 19 })
    // The end of the old connection is not the end of the session.
    agent.socket.io.engine.close()
    await until('the hub noticed', async () => ((await hub.get('/health')).body as { connections: number }).connections === 3)
    const next = await started(back)
    clock.advance(40_000)
    await back.must('agent.heartbeat', {})
    clock.advance(40_000)
    await back.must('agent.tool.result', { call_id: next, status: 'succeeded' })
    expect((await stage.log()).filter(({ type }) => type.startsWith('agent.'))).to.deep.equal([])
    back.close()
  })

  it('[HOLD-3] a started call is answered by its session alone: what another one of the agent sends is CALL_HELD', async () => {
    const { agent, hub, provider } = stage
    const other = await connectAgent(hub, provider, [shout])
    // The newest gets the call; the older one has started none of them.
    const call_id = await started(other)
    const held = await agent.ask('agent.tool.result', { call_id, status: 'succeeded', output: 'not mine' })
    expect(held).to.have.nested.property('error.code', 'CALL_HELD')
    expect(held).to.have.nested.property('error.facts.session_id', other.session_id)
    for (const seq of [1, 2]) {
      expect(codeOf(await agent.ask('agent.tool.stream', { call_id, seq, chunk: 'mine;' })), `chunk ${seq}`).to.equal('CALL_HELD')
    }
    await other.must('agent.tool.stream', { call_id, seq: 2, chunk: 'still mine' })
    await other.must('agent.tool.result', { call_id, status: 'succeeded', output: 'mine' })
    expect((await endOf(call_id))?.data).to.deep.include({ output: 'mine' })
    expect((await endOf(call_id))?.data['stream']).to.include({ parts: 2, bytes: 15 })
    other.close()
  })

  it('[HOLD-3] it stays so while the holder may come back, and then the call is over', async () => {
    const { agent, hub, provider, clock } = stage
    const call_id = await started(agent)
    agent.socket.io.engine.close()
    await until('the hub noticed', async () => (await rows())[0]?.live === false)
    const other = await connectAgent(hub, provider, [shout])
    const answer = () => other.ask('agent.tool.result', { call_id, status: 'succeeded' })
    clock.advance(44_000)
    expect(codeOf(await answer())).to.equal('CALL_HELD')
    await advanceUntil(clock, 'it is abandoned', async () => (await endOf(call_id))?.type === 'call.abandoned', 500)
    expect(codeOf(await answer())).to.equal('CALL_NOT_OPEN')
    await other.must('agent.heartbeat', {})
    other.close()
  })

  it('[HOLD-4] a session is forgotten two days after it was last held, which no call of it outlives', async () => {
    const { agent, clock } = stage
    const heldFor = async () => ((await rows())[0]?.expires_at?.getTime() ?? 0) - clock.now()
    expect(await heldFor()).to.equal(2 * 86_400_000)
    clock.advance(60_000)
    await agent.must('agent.heartbeat', {})
    await until('it was renewed', async () => (await heldFor()) > 2 * 86_400_000 - 10_000)
    const database = await openDatabaseOf(stage.hub)
    const indexes = await database.collection('agent_sessions').indexes()
    await database.close()
    expect(indexes.find(({ name }) => name === 'agent_sessions_expiry')).to.include({ expireAfterSeconds: 0 })
  })

  it('[HOLD-5] a clock that jumps an hour makes nobody ill and abandons no call whose session may come back', async () => {
    const { agent, clock, contract_id, hub, provider } = stage
    const frame = { contract_id, key: 'long', tool: 'shout', input: { text: 'x' }, timeout_ms: 86_400_000 }
    const { call_id } = await human.must('tool.call', frame)
    await agent.next('core.tool.call', (call) => call.call_id === call_id)
    await agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'x' })
    /** Time goes on, with the hub's work in between. */
    const pass = async (seconds: number) => {
      for (let n = 0; n < seconds; n++) {
        clock.advance(1_000)
        await human.must('typing', { contract_id })
      }
    }
    await human.must('room.join', { contract_id })
    for (const jump of [3_600_000, -7_200_000, 3_600_000]) {
      await pass(15)
      await agent.must('agent.heartbeat', {})
      await pass(10)
      clock.jump(jump)
      // The next look at its beats comes before the next beat.
      await pass(15)
    }
    expect((await stage.log()).map(({ type }) => type)).to.deep.equal(['contract.opened', 'call.requested', 'call.started'])

    agent.socket.io.engine.close()
    const database = await openDatabaseOf(hub)
    const timers = database.collection<{ _id: string; due_at: Date }>('timers')
    const due = async () => (await timers.findOne({ _id: `abandon:${call_id}` }))?.due_at.getTime()
    await until('the hub noticed', async () => (await due()) === clock.now() + 45_000)
    await database.close()
    clock.jump(3_600_000)
    await pass(10)
    const back = await connectAs(hub, provider)
    await back.must('agent.hello', { ...about, resume: agent.session_id })
    await back.must('agent.tool.result', { call_id, status: 'succeeded' })
    back.close()
  })
})
