import { expect } from 'chai'
import { createManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { type Client, connectAs, openContract, type Person } from '../harness/people.ts'

const limits = { frames_per_s: 100, frames_burst: 200, principal_frames_per_s: 150, room_frames_per_s: 400 }

describe('limits', () => {
  const clock = createManualClock()
  let hub: TestHub
  let requester: Person
  let provider: Person
  let contract_id: string

  beforeEach(async () => {
    hub = await startHub({ clock, limits })
    ;({ contract_id, requester, provider } = await openContract(hub))
  })
  afterEach(() => hub.close())

  /** Sends so many at once; answers how many were taken. */
  async function send(client: Client, { count, name }: { count: number; name: string }): Promise<number> {
    const posts = Array.from({ length: count }, (_, at) => client.ask('message.post', { contract_id, key: `${name} ${at}`, body: 'hello' }))
    const answers = await Promise.all(posts)
    for (const answer of answers) {
      if (answer.ok) continue
      expect(answer.error).to.include({ code: 'RATE_LIMITED', retry: 'later' })
      expect(answer.error.facts?.['retry_after_ms']).to.be.greaterThan(0)
    }
    return answers.filter(({ ok }) => ok).length
  }

  it('[LIMIT-1] ten thousand frames at once from one connection: the burst is taken, the rest refused, and others are served', async () => {
    const [flooder, other] = [await connectAs(hub, requester), await connectAs(hub, provider)]
    const flood = send(flooder, { count: 10_000, name: 'flood' })
    expect(await send(other, { count: 20, name: 'other' })).to.equal(20)
    expect(await flood).to.equal(200)
    clock.advance(1_000)
    expect(await send(flooder, { count: 200, name: 'after a second' })).to.equal(100)
    flooder.close()
    other.close()
  })

  it('[LIMIT-2] a principal has one budget on all its connections, a room one for all of its members', async () => {
    const devices = await Promise.all([1, 2, 3].map(() => connectAs(hub, requester)))
    const taken = await Promise.all(devices.map((device, at) => send(device, { count: 200, name: `device ${at}` })))
    // Twice its frames a second at once, however many devices.
    expect(taken.reduce((sum, one) => sum + one)).to.equal(300)
    for (const device of devices) device.close()
  })

  it('[LIMIT-3] the limits that hold stand in the welcome', async () => {
    const agent = await connectAs(hub, provider)
    const welcome = await agent.must('agent.hello', { protocol: 1, agent: { name: 'a', version: '1' } })
    expect(welcome.limits).to.include(limits)
    agent.close()
  })
})
