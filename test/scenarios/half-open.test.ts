import { expect } from 'chai'
import type { Push } from '../../shared/protocol/index.ts'
import { createManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { type Client, connectAgent, connectAs, openContract, type Person } from '../harness/people.ts'
import { createHubNetwork, type Network } from '../harness/processes/network.ts'
import { openDatabaseOf, readLog, shout, until } from './stage.ts'

/** Short enough to wait for, and patient enough for a slow machine's healthy peers. */
const pings = { every_ms: 200, patience_ms: 1_500 }
const PRESENCE_GRACE_MS = 15_000
const ABANDON_AFTER_MS = 45_000

/** Peers whose machine lost its power, or whose cable was cut: no FIN, no RST, nothing. */
describe('half-open connections', () => {
  const clock = createManualClock()
  let hub: TestHub
  let network: Network
  beforeEach(async () => {
    hub = await startHub({ clock, pings })
    network = await createHubNetwork(hub.url)
  })
  afterEach(async () => {
    await network.close()
    await hub.close()
  })

  it('[FAULT-7] the hub gives a silent peer up by its missing pong, and it leaves the room after the grace', async () => {
    const { contract_id, requester, provider } = await openContract(hub)
    const lost = await connectAs({ url: network.url }, requester)
    await lost.must('room.join', { contract_id })
    const told = new Promise<string>((resolve) => lost.socket.once('disconnect', resolve))
    network.silence()
    await until('the hub has given it up', async () => (await connections(hub)) === 0)
    expect(await present(contract_id, provider), 'within the grace').to.include(requester.id)
    clock.advance(PRESENCE_GRACE_MS)
    expect(await present(contract_id, provider), 'after the grace').to.deep.equal([provider.id])
    // And so does the client, that heard no ping.
    expect(await told).to.equal('ping timeout')
    expect(hub.troubles).to.deep.equal([])
  })

  it('[FAULT-7] an agent that comes back with its session before its silent connection is given up goes on with its call, which ends once', async () => {
    const { contract_id, requester, provider } = await openContract(hub)
    const cut = await connectAgent({ url: network.url, operator_token: hub.operator_token }, provider, [shout])
    const human = await connectAs(hub, requester)
    await human.must('room.join', { contract_id })
    const { call_id } = await human.must('tool.call', { contract_id, key: 'call', tool: 'shout', input: { text: 'hello' } })
    await cut.next('core.tool.call')
    await cut.must('agent.tool.stream', { call_id, seq: 1, chunk: 'HEL' })
    network.silence()

    const back = await connectAs({ url: network.url }, provider)
    const hello = { protocol: 1, agent: { name: 'scribe', version: '1.0.0' }, resume: cut.session_id } as const
    expect((await back.must('agent.hello', hello)).session_id).to.equal(cut.session_id)
    expect((await back.next('core.tool.call')).call_id).to.equal(call_id)
    await back.must('agent.tool.stream', { call_id, seq: 2, chunk: 'LO' })
    await until('the hub has given the old one up', async () => (await connections(hub)) === 2)
    clock.advance(ABANDON_AFTER_MS)
    await until('the timer that abandons it has looked and let it be', async () => (await abandonedAt(call_id)) > clock.now())
    await back.must('agent.tool.result', { call_id, status: 'succeeded', output: 'HELLO' })
    const ends = (await readLog(hub, contract_id)).filter(({ type, data }) => type !== 'call.requested' && data?.['call_id'] === call_id)
    expect(ends.map(({ type }) => type)).to.deep.equal(['call.started', 'call.succeeded'])
    expect(ends.at(-1)?.data).to.deep.include({ output: 'HELLO' })
    expect(ends.at(-1)?.data['stream']).to.include({ parts: 2, bytes: 5 })
    for (const client of [back, human]) client.close()
  })

  async function connections({ url }: TestHub): Promise<number> {
    const answer = await fetch(`${url}/health`)
    return ((await answer.json()) as { connections: number }).connections
  }

  /** Who is in the room, as one is told who joins it now. */
  async function present(contract_id: string, who: Person): Promise<string[]> {
    let snapshot: Push<'presence'> | undefined
    await until('a join was answered', async () => {
      const client: Client = await connectAs(hub, who)
      const joined = await client.ask('room.join', { contract_id })
      if (joined.ok) snapshot = await client.next('presence', ({ snapshot: all }) => all !== undefined)
      client.close()
      return joined.ok
    })
    return (snapshot?.snapshot ?? []).map(({ id }) => id).sort()
  }

  async function abandonedAt(call_id: string): Promise<number> {
    const database = await openDatabaseOf(hub)
    try {
      const timer = await database.collection('timers').findOne({ 'frame.type': 'call.abandon', 'frame.call_id': call_id })
      return (timer?.['due_at'] as Date | undefined)?.getTime() ?? 0
    } finally {
      await database.close()
    }
  }
})
