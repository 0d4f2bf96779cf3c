import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { connectAgent, connectAs, openContract } from '../../harness/people.ts'
import { advanceUntil, type Home, makeHome, openDatabaseOf, readLog, until } from '../../scenarios/stage.ts'

/** An agent whose hub dies with it. */
describe('agents: illness', () => {
  let home: Home
  let clock: ReturnType<typeof createManualClock>

  beforeEach(async () => {
    home = await makeHome()
    clock = createManualClock()
  })
  afterEach(() => rm(home.data_dir, { recursive: true }))

  const healthOf = async (hub: TestHub, contract_id: string) =>
    (await readLog(hub, contract_id)).filter(({ type }) => type.startsWith('agent.'))

  /** An agent with two open contracts and an ended one, whose hub is gone without a word; and what the hub thought it left. */
  async function dieTogether() {
    const hub = await startHub({ like: home, clock })
    const first = await openContract(hub)
    const second = await openContract(hub, first)
    const ended = await openContract(hub, first)
    const human = await connectAs(hub, first.requester)
    await human.must('contract.end', { contract_id: ended.contract_id, key: 'end', outcome: 'done' })
    const agent = await connectAgent(hub, first.provider)
    const seen = new Date(clock.now()).toISOString()
    // As a kill leaves it: the row says that the connection is there.
    const database = await openDatabaseOf(hub)
    const sessions = database.collection<{ _id: string }>('agent_sessions')
    const row = await sessions.findOne({ _id: agent.session_id })
    human.close()
    agent.close()
    await hub.close()
    await sessions.replaceOne({ _id: agent.session_id }, row as never)
    await database.close()
    const open = [first.contract_id, second.contract_id]
    return { provider: first.provider, open, ended: ended.contract_id, seen, session_id: agent.session_id }
  }

  it('[HOLD-6] one that does not come back is told unhealthy, once in each open contract, by whichever node is there', async () => {
    const { provider, open, ended, seen, session_id } = await dieTogether()
    clock.advance(3_600_000)
    const hubs = [await startHub({ like: home, clock }), await startHub({ like: home, clock })]
    const [hub] = hubs as [TestHub]
    // Who could not come back while there was no hub has the time for it now.
    for (let n = 0; n < 8; n++) {
      clock.advance(5_000)
      await hub.get('/health')
    }
    for (const contract_id of open) expect(await healthOf(hub, contract_id)).to.deep.equal([])
    await advanceUntil(clock, 'all are told', async () => {
      const told = await Promise.all(open.map((contract_id) => healthOf(hub, contract_id)))
      return told.every(({ length }) => length > 0)
    })
    for (let n = 0; n < 10; n++) {
      clock.advance(5_000)
      await hub.get('/health')
    }
    for (const contract_id of open) {
      const told = await healthOf(hub, contract_id)
      expect(told.map(({ type, data }) => ({ type, data }))).to.deep.equal([
        { type: 'agent.unhealthy', data: { agent_id: provider.id, session_id, since: seen } },
      ])
    }
    expect(await healthOf(hub, ended)).to.deep.equal([])

    const back = await connectAgent(hubs[1] as TestHub, provider)
    await until('it recovered', async () => (await healthOf(hub, open[1] as string)).length === 2)
    for (const contract_id of open) {
      expect((await healthOf(hub, contract_id)).map(({ type }) => type)).to.deep.equal(['agent.unhealthy', 'agent.recovered'])
    }
    back.close()
    for (const one of hubs) await one.close()
  })

  it('[HOLD-6] one that comes back in time, by another session too, is not told', async () => {
    const { provider, open } = await dieTogether()
    clock.advance(3_600_000)
    const hub = await startHub({ like: home, clock })
    const back = await connectAgent(hub, provider)
    for (let n = 0; n < 15; n++) {
      clock.advance(10_000)
      await back.must('agent.heartbeat', {})
    }
    for (const contract_id of open) expect(await healthOf(hub, contract_id)).to.deep.equal([])
    back.close()
    await hub.close()
  })

  it('[HOLD-7] what a node told while the agent’s own one stood still, its next beat takes back', async () => {
    const own = await startHub({ like: home, clock })
    const { contract_id, provider } = await openContract(own)
    const agent = await connectAgent(own, provider)
    // To the other node it looks as if this one were dead: its time goes on alone.
    const ahead = createManualClock(clock.now())
    const other = await startHub({ like: home, clock: ahead })
    await advanceUntil(ahead, 'it is told', async () => (await healthOf(other, contract_id)).length === 1)
    await agent.must('agent.heartbeat', {})
    expect((await healthOf(other, contract_id)).map(({ type }) => type)).to.deep.equal(['agent.unhealthy', 'agent.recovered'])
    await agent.must('agent.heartbeat', {})
    expect(await healthOf(own, contract_id)).to.have.lengthOf(2)
    agent.close()
    await other.close()
    await own.close()
  })
})
