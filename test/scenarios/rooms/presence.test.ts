import { expect } from 'chai'
import { createMemoryPresence } from '../../../server/features/rooms/presence/presence-memory.ts'
import type { Member, Push } from '../../../shared/protocol/index.ts'
import { type Client, connectAs, openContract, type Person, signUp } from '../../harness/people.ts'
import { type Stage, setStage, until } from '../stage.ts'

/** Who is there: not history, told as it changes. */
describe('rooms: presence', () => {
  let stage: Stage
  let reviewer: Person
  let contract_id: string
  let watcher: Client

  before(async () => {
    stage = await setStage()
    reviewer = await signUp(stage.hub, ['reviewer'], 'Rae')
  })

  beforeEach(async () => {
    stage.clock.advance(5_000)
    contract_id = (await openContract(stage.hub, { requester: stage.requester, provider: stage.provider })).contract_id
    watcher = await connectAs(stage.hub, stage.requester)
    await watcher.must('room.join', { contract_id })
    await watcher.next('live')
    await heard(1)
  })

  afterEach(async () => {
    watcher.close()
    await stage.mustBeSound()
  })
  after(() => stage.close())

  const told = (client: Client = watcher) =>
    client.told
      .filter(({ type }) => type === 'presence')
      .map(({ payload }) => payload as Push<'presence'>)
      .filter((one) => one.contract_id === contract_id)
  const idsOf = (members: Member[] | undefined) => members?.map(({ id }) => id).sort()

  /** Moves the clock over the time in which changes are gathered, until the version was told. */
  async function heard(version: number): Promise<Push<'presence'>> {
    await until(`presence ${version} is told`, () => {
      stage.clock.advance(50)
      return told().some((one) => one.version === version && one.snapshot === undefined)
    })
    return told().find((one) => one.version === version && one.snapshot === undefined) as Push<'presence'>
  }

  async function join(person: Person): Promise<Client> {
    const client = await connectAs(stage.hub, person)
    await client.must('room.join', { contract_id })
    return client
  }

  const kinds = (one: Push<'presence'>) => Object.keys(one).sort()

  it('[ROOM-13] a join brings a snapshot, and the others a delta: versions grow by one', async () => {
    const rae = await join(reviewer)
    const snapshot = await rae.next('presence')
    expect(snapshot.version).to.equal(1)
    expect(idsOf(snapshot.snapshot)).to.deep.equal([stage.requester.id, reviewer.id].sort())
    const delta = await heard(2)
    expect(delta).to.deep.equal({
      contract_id,
      version: 2,
      joined: [{ id: reviewer.id, name: 'Rae', kind: 'user', role: 'staff', connected: true }],
    })
    await rae.must('room.leave', { contract_id })
    expect(await heard(3)).to.deep.equal({ contract_id, version: 3, left: [reviewer.id] })
    expect(told().map(({ version }) => version)).to.deep.equal([0, 1, 2, 3])
    rae.close()
  })

  it('[ROOM-13] what changes within 250 ms is told at once; who came and went within them only leaves, for a snapshot may have shown him', async () => {
    const agent = await join(stage.provider)
    const rae = await join(reviewer)
    await rae.must('room.leave', { contract_id })
    await agent.must('typing', { contract_id })
    const delta = await heard(2)
    expect(kinds(delta)).to.deep.equal(['contract_id', 'joined', 'left', 'version'])
    expect(delta.left).to.deep.equal([reviewer.id])
    expect(delta.joined).to.have.lengthOf(1)
    expect(delta.joined?.[0]).to.include({ id: stage.provider.id, typing: true })
    agent.close()
    rae.close()
  })

  it('[ROOM-14] a cut is not a leave: within 15 s the same principal comes back unseen, after them he is gone', async () => {
    const { clock } = stage
    const rae = await join(reviewer)
    await heard(2)
    rae.socket.io.engine.close()
    await until(
      'the hub noticed',
      async () => ((await stage.hub.get('/health')) as { body: { connections: number } }).body.connections === 3,
    )
    clock.advance(14_999)
    const again = await join(reviewer)
    clock.advance(60_000)
    await watcher.must('room.leave', { contract_id: stage.contract_id })
    expect(told().map(({ version }) => version)).to.deep.equal([0, 1, 2])
    again.socket.io.engine.close()
    await until(
      'the hub noticed',
      async () => ((await stage.hub.get('/health')) as { body: { connections: number } }).body.connections === 3,
    )
    clock.advance(15_000)
    expect((await heard(3)).left).to.deep.equal([reviewer.id])
  })

  it('[ROOM-14] a principal is there as long as one of its devices is', async () => {
    const first = await join(reviewer)
    const second = await join(reviewer)
    await heard(2)
    await first.must('room.leave', { contract_id })
    stage.clock.advance(30_000)
    await second.must('typing', { contract_id })
    expect((await heard(3)).changed?.[0]).to.include({ id: reviewer.id, typing: true })
    first.close()
    second.close()
  })

  it('[ROOM-15] typing ends by itself after 5 s', async () => {
    const rae = await join(reviewer)
    await heard(2)
    await rae.must('typing', { contract_id })
    expect((await heard(3)).changed?.[0]).to.include({ id: reviewer.id, typing: true })
    stage.clock.advance(3_000)
    await rae.must('typing', { contract_id })
    await heard(4)
    stage.clock.advance(4_000)
    expect(told().at(-1)?.changed?.[0]).to.include({ typing: true })
    stage.clock.advance(1_000)
    expect((await heard(5)).changed?.[0]).to.include({ id: reviewer.id, typing: false })
    rae.close()
  })

  it('[ROOM-15] a post ends the typing of its author at once, of nobody else, and where it was not told yet it never is', async () => {
    const [rae, agent] = [await join(reviewer), await join(stage.provider)]
    await heard(2)
    for (const client of [rae, agent]) await client.must('typing', { contract_id })
    const typing = await heard(3)
    expect(typing.changed?.map((member) => member.typing)).to.deep.equal([true, true])
    await rae.must('message.post', { contract_id, key: 'said', body: 'There.' })
    expect((await heard(4)).changed?.map(({ id, typing }) => [id, typing])).to.deep.equal([[reviewer.id, false]])
    // The word that it began is still being gathered.
    await rae.must('typing', { contract_id })
    await rae.must('message.post', { contract_id, key: 'said more', body: 'And more.', visibility: 'staff' })
    expect((await heard(5)).changed?.map(({ id, typing }) => [id, typing])).to.deep.equal([[reviewer.id, false]])
    for (const client of [rae, agent]) client.close()
  })

  it('[ROOM-16] a cursor never moves back, in what is told and in what is kept', async () => {
    const post = (key: string) => watcher.must('message.post', { contract_id, key, body: key })
    for (const key of ['a', 'b', 'c']) await post(key)
    await watcher.must('cursor.set', { contract_id, seq: 3 })
    expect((await heard(2)).changed?.[0]).to.include({ cursor: 3 })
    const laggard = await join(stage.requester)
    await laggard.must('cursor.set', { contract_id, seq: 2 })
    expect((await heard(3)).changed?.[0]).to.include({ cursor: 3 })
    const { view } = await laggard.must('room.join', { contract_id })
    expect(view.members.find(({ id }) => id === stage.requester.id)).to.include({ cursor: 3 })
    expect(await laggard.ask('cursor.set', { contract_id, seq: 5 })).to.have.nested.property('error.errors[0].pointer', '/seq')
    laggard.close()
  })

  it('[ROOM-27] a connection that goes while it joins leaves nobody behind', async () => {
    for (const go of [(one: Client) => one.close(), (one: Client) => one.socket.io.engine.close()]) {
      const rae = await connectAs(stage.hub, reviewer)
      rae.socket.emit('room.join', { contract_id }, () => undefined)
      go(rae)
    }
    await until('the hub noticed', async () => {
      return ((await stage.hub.get('/health')) as { body: { connections: number } }).body.connections === 3
    })
    // Over the grace, in steps: a leap would make the watcher one who does not read.
    for (let look = 0; look < 5; look++) {
      await watcher.must('room.join', { contract_id })
      stage.clock.advance(4_000)
    }
    const { view } = await watcher.must('room.join', { contract_id })
    expect(idsOf(view.members)).to.deep.equal([stage.requester.id, stage.provider.id].sort())
  })

  it('[ROOM-28] a crowd is told by its number; when it is none any more, by everyone who is there', () => {
    const told: Push<'presence'>[] = []
    const broadcast = (_audience: string, _type: string, payload: unknown) => void told.push(payload as Push<'presence'>)
    const presence = createMemoryPresence({ clock: stage.clock, broadcast })
    const seatOf = (n: number) => ({ contract_id, device: `d${n}`, member: { id: `p${n}`, kind: 'user', role: 'staff' } as const })
    const go = (n: number) => presence.exit({ contract_id, device: `d${n}`, principal_id: `p${n}`, at_once: true })
    const last = () => {
      stage.clock.advance(250)
      return told.at(-1)
    }
    for (let n = 0; n < 202; n++) presence.enter(seatOf(n))
    expect(last()).to.deep.equal({ contract_id, version: 1, count: 202 })
    go(0)
    expect(last()).to.deep.equal({ contract_id, version: 2, count: 201 })
    go(1)
    expect(last()?.snapshot?.map(({ id }) => id)).to.deep.equal(Array.from({ length: 200 }, (_, n) => `p${n + 2}`))
    go(2)
    expect(last()).to.deep.equal({ contract_id, version: 4, left: ['p2'] })
    void presence.close()
  })
})
