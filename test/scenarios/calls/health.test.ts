import { expect } from 'chai'
import { type Client, connectAgent, connectAs, openContract, signUp } from '../../harness/people.ts'
import { advanceUntil, codeOf, readLog, type Stage, setStage, until } from '../stage.ts'

/** Signs of life, and credentials that end. */
describe('calls: health and credentials', () => {
  let stage: Stage

  beforeEach(async () => {
    stage = await setStage()
  })

  afterEach(async () => {
    await stage.mustBeSound()
    await stage.close()
  })

  const healthOf = async (contract_id = stage.contract_id) =>
    (await readLog(stage.hub, contract_id)).map(({ type }) => type).filter((type) => type.startsWith('agent.'))
  const beat = (client: Client) => client.must('agent.heartbeat', {})

  /** A round of the hub's background work: what it had to record is recorded. */
  async function settled(): Promise<void> {
    for (let n = 0; n < 5; n++)
      await stage.human.must('message.post', { contract_id: stage.contract_id, key: `${stage.clock.now()}:${n}`, body: '.' })
  }

  it('[CALL-18] an agent that misses its beats is told unhealthy once, and recovered once, in all its open contracts', async () => {
    const { hub, clock, agent, requester, provider, human } = stage
    const second = await openContract(hub, { requester, provider })
    const ended = await openContract(hub, { requester, provider })
    await human.must('contract.end', { contract_id: ended.contract_id, key: 'end', outcome: 'done' })
    const both = [stage.contract_id, second.contract_id]

    clock.advance(30_000)
    await beat(agent)
    clock.advance(44_999)
    await settled()
    expect(await healthOf()).to.deep.equal([])
    clock.advance(1)
    for (const id of both) await until('it is told', async () => (await healthOf(id)).length === 1)
    const told = (await readLog(hub, stage.contract_id)).find(({ type }) => type === 'agent.unhealthy')
    expect(told?.data).to.deep.equal({
      agent_id: provider.id,
      session_id: agent.session_id,
      since: new Date(clock.now() - 45_000).toISOString(),
    })
    clock.advance(100_000)
    await settled()
    expect((await human.must('room.join', { contract_id: stage.contract_id })).view.agent.health).to.equal('unhealthy')

    await beat(agent)
    await beat(agent)
    for (const id of both) expect(await healthOf(id)).to.deep.equal(['agent.unhealthy', 'agent.recovered'])
    expect(await healthOf(ended.contract_id)).to.deep.equal([])
    expect((await human.must('room.join', { contract_id: stage.contract_id })).view.agent.health).to.equal('ok')
  })

  it('[CALL-19] as long as one session beats the agent is well; when that one hangs up, the silent one shows', async () => {
    const { hub, clock, provider } = stage
    const second = await connectAgent(hub, provider)
    for (let n = 0; n < 4; n++) {
      clock.advance(20_000)
      await beat(second)
    }
    await settled()
    expect(await healthOf()).to.deep.equal([])
    second.close()
    await until('it is told', async () => (await healthOf()).length === 1)
    expect(await healthOf()).to.deep.equal(['agent.unhealthy'])
    await beat(stage.agent)
    expect(await healthOf()).to.deep.equal(['agent.unhealthy', 'agent.recovered'])
  })

  it('[CALL-19] who hangs up is not ill, who is cut off is; a hello is a sign of life', async () => {
    const { hub, clock, provider, agent } = stage
    const polite = await connectAgent(hub, provider)
    polite.close()
    agent.socket.io.engine.close()
    await until('the hub noticed', async () => ((await hub.get('/health')).body as { connections: number }).connections === 1)
    clock.advance(45_000)
    await until('it is told', async () => (await healthOf()).length === 1)
    const back = await connectAgent(hub, provider)
    await until('it recovered', async () => (await healthOf()).length === 2)
    expect(await healthOf()).to.deep.equal(['agent.unhealthy', 'agent.recovered'])
    back.socket.disconnect()
    await until('the hub noticed', async () => ((await hub.get('/health')).body as { connections: number }).connections === 1)
    clock.advance(100_000)
    await settled()
    expect(await healthOf()).to.have.lengthOf(2)
  })

  it('[CALL-20] a beat answers where the rooms stand, and revives nothing', async () => {
    const { agent, human, contract_id, clock } = stage
    const { seq, chain } = await human.must('message.post', { contract_id, key: 'k', body: 'x' })
    expect((await beat(agent)).heads).to.deep.equal({ [contract_id]: { seq, chain } })
    await human.must('contract.end', { contract_id, key: 'end', outcome: 'done' })
    await until('the list knows', async () => Object.keys((await beat(agent)).heads).length === 0)
    clock.advance(50_000)
    await beat(agent)
    expect(await healthOf()).to.deep.equal([])
  })

  it('[CALL-21] a token’s end is told a minute before, and 10 s after it the connection is closed with 4401', async () => {
    const { human, clock, agent, contract_id } = stage
    const ends_ms = clock.now() + 900_000
    clock.advance(839_000)
    await human.must('typing', { contract_id })
    expect(human.told.some(({ type }) => type === 'auth.expiring')).to.equal(false)
    clock.advance(1_000)
    expect(Date.parse((await human.next('auth.expiring')).at) - ends_ms).to.be.within(-1_000, 0)
    clock.advance(69_000)
    const gone = new Promise<string>((resolve) => human.socket.once('disconnect', resolve))
    clock.advance(1_000)
    expect(await human.next('closing')).to.include({ code: 4401 })
    expect(await gone).to.equal('io server disconnect')
    expect(codeOf(await agent.ask('message.post', { contract_id, key: 'k', body: 'a key does not end' }))).to.equal('ok')
  })

  it('[CALL-22] new credentials of the same principal keep the connection, those of another do not', async () => {
    const { human, clock, hub, requester, provider, contract_id } = stage
    const stranger = await signUp(hub)
    expect(codeOf(await human.ask('auth.refresh', { token: stranger.bearer }))).to.equal('PERMISSION_DENIED')
    expect(codeOf(await human.ask('auth.refresh', { key: provider.bearer }))).to.equal('PERMISSION_DENIED')
    expect(codeOf(await human.ask('auth.refresh', { token: 'wrong' }))).to.equal('UNAUTHENTICATED')
    expect(await stage.agent.must('auth.refresh', { key: provider.bearer })).to.deep.equal({ ok: true, expires_at: null })

    clock.advance(840_000)
    await human.next('auth.expiring')
    clock.advance(9_000)
    const operator = await connectAs(hub, { auth: { token: hub.operator_token } })
    expect(await operator.must('auth.refresh', { token: hub.operator_token })).to.have.property('expires_at', null)
    operator.close()
    const again = await human.ask('auth.refresh', { token: requester.bearer })
    if (!again.ok) throw new Error('the token is still good')
    expect(Date.parse(again.expires_at ?? '') - clock.now()).to.be.within(40_000, 60_000)
    await human.must('typing', { contract_id })
    await advanceUntil(clock, 'it is closed', () => human.told.some(({ type }) => type === 'closing'), 1_000)
    expect(await human.next('closing')).to.include({ code: 4401 })
  })
})
