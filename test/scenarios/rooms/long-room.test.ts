import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { type CommandCounter, createCommandCounter } from '../../harness/command-counter.ts'
import { startHub, type TestHub, testDatabase } from '../../harness/hub.ts'
import { api, connectAs, openContract, type Person } from '../../harness/people.ts'

const LIMITS = { frames_burst: 2_000, bytes_per_s: 200_000_000, principal_bytes_per_s: 200_000_000 }
const MESSAGES = 100

/** A room of long messages, whose log a node reads in many pieces. */
describe('rooms: a room of some MB', () => {
  let counter: CommandCounter
  let origin: TestHub
  let hub: TestHub
  let contract_id: string
  let requester: Person

  before(async () => {
    counter = await createCommandCounter(await testDatabase())
    const clock = createManualClock()
    origin = await startHub({ clock, limits: LIMITS })
    hub = await startHub({ clock, limits: LIMITS, like: { ...origin, mongodb_uri: counter.uri } })
    ;({ contract_id, requester } = await openContract(hub))
    const writer = await connectAs(hub, requester)
    const posts = Array.from({ length: MESSAGES }, (_, at) => ({
      contract_id,
      key: `post ${at}`,
      body: `shared ${at} ${'x'.repeat(60_000)}`,
    }))
    await Promise.all(posts.map((post) => writer.must('message.post', post)))
    writer.close()
  })
  after(async () => {
    await hub.close()
    await origin.close()
    await counter.close()
  })

  it('[ROOM-35] forty joins at places of it on one connection fold its log once or twice; all are answered, and the last one counts', async () => {
    const client = await connectAs(hub, requester)
    counter.taken()
    const joins = Array.from({ length: 40 }, (_, at) => client.must('room.join', { contract_id, since: 10 + at }))
    for (const { head } of await Promise.all(joins)) expect(head).to.equal(MESSAGES + 1)
    const { view } = await (joins.at(-1) ?? Promise.reject(new Error('no joins')))
    expect(view.seq).to.equal(49)
    await client.next('live')
    expect(client.events(contract_id).at(-1)).to.deep.include({ seq: MESSAGES + 1 })
    const finds = counter.taken().filter((command) => command === 'find events').length
    // Each fold takes four reads at least.
    expect(finds).to.be.below(80)
    client.close()
  })

  it('[ROOM-36] a search that has its page stops counting after some MB, and its pages hold everything all the same', async () => {
    const search = async (query: string) =>
      (
        await api<{ items: { seq: number }[]; total: number; total_capped?: true; next_cursor?: string }>(
          ...([hub, 'GET', `/contracts/${contract_id}/search?q=shared&sort_order=asc&${query}`, { bearer: requester.bearer }] as const),
        )
      ).body
    const first = await search('limit=1')
    expect(first.items.map(({ seq }) => seq)).to.deep.equal([2])
    expect(first).to.include({ total_capped: true })
    expect(first.total).to.be.within(2, MESSAGES - 1)
    expect((await search('limit=1&count=exact')).total).to.equal(MESSAGES)
    const seqs: number[] = []
    for (let page = await search('limit=40'); ; page = await search(`limit=40&cursor=${page.next_cursor}`)) {
      seqs.push(...page.items.map(({ seq }) => seq))
      if (page.next_cursor === undefined) break
    }
    expect(seqs).to.deep.equal(Array.from({ length: MESSAGES }, (_, at) => at + 2))
  })
})
