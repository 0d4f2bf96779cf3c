import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, connectAs, openContract, type Person, registerAgent, signUp } from '../../harness/people.ts'

interface Row {
  contract_id: string
  title: string
  opened_at: string
  last_activity_at: string
}

interface Page {
  items: Row[]
  next_cursor?: string
}

describe('contracts by their last activity', () => {
  const clock = createManualClock()
  let hub: TestHub
  let requester: Person
  let provider: Person
  const ids: string[] = []

  before(async () => {
    hub = await startHub({ clock })
    requester = await signUp(hub)
    provider = await registerAgent(hub)
    for (let n = 0; n < 4; n++) {
      clock.advance(1_000)
      ids.push((await openContract(hub, { requester, provider })).contract_id)
    }
  })
  after(() => hub.close())

  const list = async (query = '', at: TestHub = hub) =>
    (await api<Page>(at, 'GET', `/contracts?sort_by=last_activity_at${query}`, { bearer: requester.bearer })).body
  const idsOf = ({ items }: Page) => items.map(({ contract_id }) => contract_id)
  const place = (n: number) => ids[n] ?? ''

  async function post(contract_id: string, at: TestHub = hub): Promise<void> {
    const human = await connectAs(at, requester)
    await human.must('room.join', { contract_id })
    const { seq } = await human.must('message.post', { contract_id, key: `${clock.now()}`, body: 'news' })
    // The writer is answered before the hub takes note, and the room is told in the same step as that.
    await human.event(contract_id, 'message.posted', (event) => event.seq === seq)
    human.close()
  }

  /** What is kept in mind is written when its time has come, and then the list shows it. */
  async function untilFirst(contract_id: string): Promise<Page> {
    clock.advance(5_000)
    for (;;) {
      const page = await list()
      if (idsOf(page)[0] === contract_id) return page
    }
  }

  it('[ROOM-34] a room that is written to comes first within seconds; one that was only opened stands at that time', async () => {
    expect(idsOf(await list())).to.deep.equal(ids.toReversed())
    expect((await list()).items.every(({ opened_at, last_activity_at }) => opened_at === last_activity_at)).to.equal(true)
    clock.advance(1_000)
    const at = new Date(clock.now()).toISOString()
    await post(place(1))
    const page = await untilFirst(place(1))
    expect(page.items[0]?.last_activity_at).to.equal(at)
    expect(idsOf(page)).to.deep.equal([1, 3, 2, 0].map(place))
    expect(idsOf(await list('&sort_order=asc'))).to.deep.equal([0, 2, 3, 1].map(place))
    const first = await list('&limit=2&state=open')
    expect([idsOf(first), idsOf(await list(`&limit=2&state=open&cursor=${first.next_cursor}`))]).to.deep.equal([
      [1, 3].map(place),
      [2, 0].map(place),
    ])
  })

  it('[ROOM-34] what befalls the agent in all its rooms at once moves none of them', async () => {
    clock.advance(1_000)
    await api(hub, 'PUT', `/agents/${provider.id}/permissions`, { body: { can_access_web: true }, bearer: hub.operator_token })
    await post(place(2))
    expect(idsOf(await untilFirst(place(2)))).to.deep.equal([2, 1, 3, 0].map(place))
  })

  it('[ROOM-34] a hub that closes has written what it kept in mind, and a later time of another hub stays', async () => {
    const other = await startHub({ clock, like: hub })
    clock.advance(1_000)
    await post(place(0), other)
    const earlier = clock.now()
    clock.advance(1_000)
    await post(place(0))
    const last = new Date(clock.now()).toISOString()
    await post(place(3), other)
    expect((await untilFirst(place(3))).items.map(({ last_activity_at }) => last_activity_at)[0]).to.equal(last)
    await other.close()
    const row = (await list()).items.find(({ contract_id }) => contract_id === place(0))
    expect(Date.parse(row?.last_activity_at ?? '')).to.be.at.least(earlier)
    clock.advance(1_000)
    const again = await startHub({ clock, like: hub })
    await post(place(1), again)
    await again.close()
    expect(idsOf(await list())[0]).to.equal(place(1))
  })

  it('[ROOM-34] what a hub had not written when it was killed is mended once the room is asked for again', async () => {
    clock.advance(1_000)
    const at = new Date(clock.now()).toISOString()
    await post(place(0))
    // The first hub's clock stands still from here on, as that of a killed one.
    const later = createManualClock(clock.now())
    const other = await startHub({ clock: later, like: hub })
    const rowAt = async () => (await list('', other)).items.find(({ contract_id }) => contract_id === place(0))?.last_activity_at
    expect(await rowAt()).to.not.equal(at)
    const human = await connectAs(other, requester)
    await human.must('room.join', { contract_id: place(0) })
    later.advance(5_000)
    while ((await rowAt()) !== at) await new Promise((resolve) => setImmediate(resolve))
    human.close()
    await other.close()
  })
})
