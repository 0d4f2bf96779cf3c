import { expect } from 'chai'
import { createManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { type Client, connectAs, openContract, type Person, signUp } from '../harness/people.ts'
import { codeOf } from '../scenarios/stage.ts'

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

  it('[LIMIT-2] a room has one budget for all of its members, and another room its own', async () => {
    const other = await openContract(hub, { requester, provider })
    const staff = await Promise.all(Array.from({ length: 4 }, () => signUp(hub, ['reviewer'])))
    const [quiet, ...members] = await Promise.all([requester, provider, ...staff].map((person) => connectAs(hub, person)))
    if (quiet === undefined) throw new Error('the first is there')
    for (const member of [quiet, ...members]) await member.must('room.join', { contract_id })
    const sum = (taken: readonly number[]) => taken.reduce((all, one) => all + one)
    // Five principals, each within its own budget of 300: more than the 800 of the room, of which six were used to join.
    expect(sum(await Promise.all(members.map((member, at) => send(member, { count: 199, name: `first ${at}` }))))).to.equal(794)
    clock.advance(500)
    // Half of what the room gets in a second, though each could send fifty.
    expect(sum(await Promise.all(members.map((member, at) => send(member, { count: 50, name: `later ${at}` }))))).to.equal(200)
    expect(codeOf(await quiet.ask('message.post', { contract_id, key: 'full', body: 'x' }))).to.equal('RATE_LIMITED')
    expect(codeOf(await quiet.ask('message.post', { contract_id: other.contract_id, key: 'elsewhere', body: 'x' }))).to.equal('ok')
    quiet.close()
    for (const member of members) member.close()
  })

  it('[LIMIT-3] the limits that hold stand in the welcome', async () => {
    const agent = await connectAs(hub, provider)
    const welcome = await agent.must('agent.hello', { protocol: 1, agent: { name: 'a', version: '1' } })
    expect(welcome.limits).to.include(limits)
    agent.close()
  })

  it('[LIMIT-4] a stranger who names a room uses up nothing of its budget, whatever he sends', async () => {
    const strangers = await Promise.all([1, 2, 3, 4, 5].map(async () => connectAs(hub, await signUp(hub))))
    const said = { contract_id, key: 'mine now', body: 'x' }
    const floods = strangers.map((stranger) =>
      Promise.all(
        Array.from({ length: 50 }, () => [
          stranger.ask('message.post', said),
          stranger.ask('room.join', { contract_id }),
          stranger.ask('typing', { contract_id }),
          // Anyone may leave a room, and any payload may hold more than its frame reads.
          stranger.ask('room.leave', { contract_id }),
        ]).flat(),
      ),
    )
    const codes = (await Promise.all(floods)).flat().map(codeOf)
    expect([...new Set(codes)].sort()).to.deep.equal(['NOT_FOUND', 'ok'])
    // A thousand frames later the whole of the room's 800 is there.
    const people = [requester, provider, await signUp(hub, ['reviewer'])]
    const members = await Promise.all(people.map((person) => connectAs(hub, person)))
    for (const member of members) await member.must('room.join', { contract_id })
    const sums = await Promise.all(members.map((member, at) => send(member, { count: 199, name: `member ${at}` })))
    expect(sums).to.deep.equal([199, 199, 199])
    for (const client of [...strangers, ...members]) client.close()
  })

  it('[LIMIT-5] a principal has one budget of bytes on all its connections', async () => {
    const own = await startHub({ clock, limits: { principal_bytes_per_s: 100_000 } })
    const contract = await openContract(own)
    const devices = await Promise.all([1, 2, 3, 4].map(() => connectAs(own, contract.requester)))
    const other = await connectAs(own, contract.provider)
    const post = (client: Client, key: string) =>
      client.ask('message.post', { contract_id: contract.contract_id, key, body: 'x'.repeat(49_500) })
    // Each device alone would be let through with a megabyte; together they have twice what one second brings.
    const codes = await Promise.all(devices.flatMap((device, at) => [post(device, `${at} a`), post(device, `${at} b`)]))
    expect(codes.map(codeOf).filter((code) => code === 'ok')).to.have.lengthOf(4)
    expect(codes.map(codeOf).filter((code) => code === 'RATE_LIMITED')).to.have.lengthOf(4)
    expect(codeOf(await other.ask('typing', { contract_id: contract.contract_id }))).to.equal('NOT_FOUND')
    clock.advance(1_000)
    expect(codeOf(await post(devices[0] as Client, 'later'))).to.equal('ok')
    for (const client of [...devices, other]) client.close()
    await own.close()
  })
})
