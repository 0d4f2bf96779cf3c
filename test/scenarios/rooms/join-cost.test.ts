import { expect } from 'chai'
import { emptyRoom, evolve } from '../../../shared/rules/evolve.ts'
import { createManualClock, type ManualClock } from '../../harness/clock.ts'
import { type CommandCounter, createCommandCounter } from '../../harness/command-counter.ts'
import { startHub, type TestHub, testDatabase } from '../../harness/hub.ts'
import { type Client, connectAgent, connectAs, openContract, type Person } from '../../harness/people.ts'

const ANSWERED_PER_S = 1_000_000
const LIMITS = { frames_per_s: 1e6, frames_burst: 1e6, principal_frames_per_s: 1e6, room_frames_per_s: 1e6, bytes_per_s: 1e9 }
const echo = { name: 'echo', description: 'Says it again', input_schema: {} }

describe('rooms: what a join costs the hub', () => {
  let clock: ManualClock
  let counter: CommandCounter
  let origin: TestHub
  let hub: TestHub
  let contract_id: string
  let requester: Person
  let provider: Person
  let clients: Client[]

  beforeEach(async () => {
    counter = await createCommandCounter(await testDatabase())
    clock = createManualClock()
    const limits = { ...LIMITS, principal_bytes_per_s: ANSWERED_PER_S }
    origin = await startHub({ clock, limits })
    hub = await startHub({ clock, limits, like: { ...origin, mongodb_uri: counter.uri } })
    ;({ contract_id, requester, provider } = await openContract(hub))
    clients = []
  })
  afterEach(async () => {
    for (const client of clients) client.close()
    await hub.close()
    await origin.close()
    await counter.close()
  })

  async function connected(person: Person): Promise<Client> {
    const client = await connectAs(hub, person)
    clients.push(client)
    return client
  }

  async function ask(client: Client, count: number, text: string): Promise<void> {
    for (let at = 0; at < count; at += 1) await client.must('tool.call', { contract_id, key: `${at}`, tool: 'echo', input: { text } })
  }

  it('[ROOM-37] however many join a room at once, and however many calls are open in it, the database is asked a few times', async () => {
    clients.push(await connectAgent(hub, provider, [echo]))
    const [caller, ...others] = await Promise.all(Array.from({ length: 5 }, () => connected(requester)))
    await ask(caller as Client, 100, 'short')
    counter.taken()
    const joins = others.flatMap((client) => Array.from({ length: 10 }, () => client.must('room.join', { contract_id })))
    for (const { view } of await Promise.all(joins)) expect(view.calls).to.have.length(100)
    expect(counter.taken().length).to.be.below(100)
  })

  it('[ROOM-38] who joins large rooms again and again waits when the answers come to more than may be sent, and then goes on', async () => {
    clients.push(await connectAgent(hub, provider, [echo]))
    const caller = await connected(requester)
    for (let at = 0; at < 10; at += 1) {
      clock.advance(1_000)
      await caller.must('tool.call', { contract_id, key: `large ${at}`, tool: 'echo', input: { text: 'x'.repeat(100_000) } })
    }
    const join = () => caller.ask('room.join', { contract_id })
    const answers = []
    for (let at = 0; at < 4; at += 1) answers.push(await join())
    const refused = answers.at(-1)
    if (refused === undefined || refused.ok) throw new Error('four answers of 1 MB each were sent')
    expect(refused.error.code).to.equal('RATE_LIMITED')
    expect(refused.error.facts?.retry_after_ms).to.be.within(1, 2_000)
    await caller.must('message.post', { contract_id, key: 'post', body: 'Nothing else waits' })
    clock.advance(Number(refused.error.facts?.retry_after_ms))
    expect((await join()).ok).to.equal(true)
  })

  it('[ROOM-39] who is more than 20,000 events behind gets the room nearer to its head, and every event behind the place, once and in order', async function () {
    this.timeout(120_000)
    const writer = await connected(provider)
    const missed = 20_100
    writer.socket.offAny()
    for (let at = 0; at < missed; at += 300) {
      clock.advance(1_000)
      const posts = Array.from({ length: Math.min(300, missed - at) }, (_, index) => ({ contract_id, key: `${at + index}`, body: 'm' }))
      await Promise.all(posts.map((post) => writer.must('message.post', post)))
    }
    const reader = await connected(requester)
    const { view, head } = await reader.must('room.join', { contract_id, since: 1 })
    expect({ head, seq: view.seq }).to.deep.equal({ head: missed + 1, seq: 20_000 })
    await reader.next('live')
    const events = reader.events(contract_id)
    expect(events.map(({ seq }) => seq)).to.deep.equal(Array.from({ length: missed }, (_, index) => index + 2))
    const rest = events.filter(({ seq }) => seq > view.seq)
    expect(rest.reduce(evolve, { ...emptyRoom, ...view }).seq).to.equal(head)
  })
})
