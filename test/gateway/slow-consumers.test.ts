import { expect } from 'chai'
import { createManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { type Client, connectAs, openContract, type Person, signUp } from '../harness/people.ts'

// The kernel's own buffers take megabytes before anything is queued here.
const BODY = 'x'.repeat(90_000)
const ladder = { shed_bytes: 100_000, lagging_bytes: 1_000_000, close_bytes: 4_000_000, stuck_ms: 10_000 }
const limits = {
  frames_per_s: 10_000,
  frames_burst: 20_000,
  bytes_per_s: 100_000_000,
  principal_frames_per_s: 10_000,
  room_frames_per_s: 20_000,
}

/** The connection under the socket: stopped, it takes nothing from the kernel any more. */
function tap({ socket }: Client): { pause(): void; resume(): void } {
  return (socket.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } }).ws
}

describe('clients that do not keep up', () => {
  const clock = createManualClock()
  let hub: TestHub
  let contract_id: string
  let requester: Person

  before(async () => {
    hub = await startHub({ clock, limits, ladder })
    const contract = await openContract(hub)
    contract_id = contract.contract_id
    requester = contract.requester
  })
  after(() => hub.close())

  async function join(person: Person): Promise<Client> {
    const client = await connectAs(hub, person)
    await client.must('room.join', { contract_id })
    await client.next('live')
    return client
  }

  let posted = 0

  async function flood(writer: Client, posts: number): Promise<void> {
    const batch = Array.from({ length: posts }, () => writer.must('message.post', { contract_id, key: `flood ${posted++}`, body: BODY }))
    await Promise.all(batch)
  }

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${hub.url}/metrics`)).text()
    return Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
  }

  it('[SLOW-1] one that stops reading is told that it lags, pulls what it missed once it reads again, and loses nothing', async () => {
    const writer = await join(requester)
    const slow = await join(await signUp(hub, ['reviewer']))
    tap(slow).pause()
    while ((await metric('parley_slow_consumer_steps_total{step="lagging"}')) === 0) await flood(writer, 20)
    tap(slow).resume()
    const { head } = await slow.next('lagging')
    expect(head).to.be.greaterThan(1)
    const last = slow.events(contract_id).at(-1)?.seq ?? 0
    const { head: now } = await slow.must('room.join', { contract_id, since: last })
    await slow.next('live', (live) => live.head >= now && live.head > last)
    const seqs = slow.events(contract_id).map(({ seq }) => seq)
    expect(seqs).to.deep.equal(Array.from({ length: seqs.length }, (_, at) => (seqs[0] ?? 0) + at))
    expect(seqs.at(-1)).to.equal(now)
    writer.close()
    slow.close()
  })

  it('[SLOW-2] one that never reads again is closed, and the others are served all the while', async () => {
    const writer = await join(requester)
    const reader = await join(await signUp(hub, ['reviewer']))
    const dead = await join(await signUp(hub, ['reviewer']))
    const before = reader.events(contract_id).length
    const posted_before = posted
    tap(dead).pause()
    const steps = () => metric('parley_slow_consumer_steps_total{step="closed"}')
    const closed = await steps()
    while ((await steps()) === closed) {
      await flood(writer, 4)
      // Everyone else has read it all. Without progress for so long, it is given up, however little is queued.
      await reader.event(contract_id, 'message.posted', (event) => 'key' in event && event.key === `flood ${posted - 1}`)
      clock.advance(4_000)
    }
    const gone = new Promise((resolve) => dead.socket.once('disconnect', resolve))
    tap(dead).resume()
    await gone
    const last = await writer.must('message.post', { contract_id, key: 'the last', body: 'still here?' })
    await reader.event(contract_id, 'message.posted', ({ seq }) => seq === last.seq)
    expect(reader.events(contract_id).length - before).to.equal(posted - posted_before + 1)
    writer.close()
    reader.close()
  })

  it('[SLOW-4] a clock that jumps an hour closes nobody who reads a moment later', async () => {
    const writer = await join(requester)
    const reader = await join(await signUp(hub, ['reviewer']))
    const steps = () => metric('parley_slow_consumer_steps_total{step="closed"}')
    const queued = () => metric('parley_queued_bytes')
    const before = await steps()
    tap(reader).pause()
    // More than the kernel takes for it, and less than would be told that it lags.
    while ((await queued()) < 10_000) {
      await flood(writer, 1)
      clock.advance(1_000)
    }
    clock.jump(3_600_000)
    clock.advance(2_000)
    clock.advance(2_000)
    expect(await steps()).to.equal(before)
    tap(reader).resume()
    await reader.event(contract_id, 'message.posted', (event) => 'key' in event && event.key === `flood ${posted - 1}`)
    writer.close()
    reader.close()
  })

  it('[SLOW-3] the hub counts what it does, and says so in Prometheus text', async () => {
    const response = await fetch(`${hub.url}/metrics`)
    expect(response.headers.get('content-type')).to.match(/^text\/plain/)
    const names = new Set([...(await response.text()).matchAll(/^# TYPE (parley_\w+)/gm)].map(([, name]) => name))
    expect([...names]).to.include.members([
      ...['parley_commit_duration_ms', 'parley_commit_events', 'parley_commit_conflicts_total', 'parley_duplicate_frames_total'],
      ...['parley_deliver_duration_ms', 'parley_joins_total', 'parley_repairs_total', 'parley_slow_consumer_steps_total'],
      ...['parley_closings_total', 'parley_frames_total', 'parley_connections', 'parley_queued_bytes', 'parley_waiting_frames'],
      'parley_nodejs_eventloop_lag_seconds',
    ])
    expect(await metric('parley_joins_total{kind="replay"}')).to.be.greaterThan(0)
    expect(await metric('parley_frames_total{type="message.post",outcome="ok"}')).to.be.greaterThan(0)
  })
})
