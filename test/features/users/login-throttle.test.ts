import { expect } from 'chai'
import { createLoginThrottle } from '../../../server/features/users/login-throttle.ts'
import { createModel } from '../../../server/features/users/model.ts'
import { createSecrets } from '../../../server/features/users/secrets.ts'
import { DAY_MS, type IdentityHub, MINUTE_MS, SECRET, startIdentityHub } from '../identity/identity-hub.ts'

const HOME = '127.0.0.1'

describe('failed sign-ins', () => {
  let hub: IdentityHub

  before(async () => {
    hub = await startIdentityHub({ dear_passwords: true })
  })
  after(() => hub.close())
  // Each test begins in windows of its own.
  afterEach(() => hub.clock.advance(15 * MINUTE_MS))

  /** The answers' statuses, one after the other in groups that the hub computes at once. */
  async function guess(email: string, times: number, from = HOME): Promise<number[]> {
    const statuses: number[] = []
    while (statuses.length < times) {
      const group = Array.from({ length: Math.min(10, times - statuses.length) }, () => hub.signIn(email, 'wrong', { from }))
      statuses.push(...(await Promise.all(group)).map(({ status }) => status))
    }
    return statuses
  }

  /** The count as another hub on this database keeps it: without the quarter of a second that a password costs. */
  const counting = () => createLoginThrottle({ model: createModel(hub.connection), secrets: createSecrets(SECRET), clock: hub.clock })

  async function fail(throttle: ReturnType<typeof counting>, email: string, { times, from }: { times: number; from: string }) {
    for (let time = 0; time < times; time += 1) await throttle.begin({ email, ip: from })
  }

  it('[ID-10] fifty wrong passwords at one address: ten are heard, then it is closed with a time, the right one too; others are not', async () => {
    const [victim, other, nobody] = [(await hub.newUser()).email, (await hub.newUser()).email, hub.newEmail()]
    for (const email of [victim, nobody]) {
      const statuses = await guess(email, 50, '127.0.0.2')
      expect(statuses.sort(), email).to.deep.equal([...Array(10).fill(401), ...Array(40).fill(429)])
    }
    hub.clock.advance(5 * MINUTE_MS)
    const closed = await hub.signIn(victim.toUpperCase(), undefined, { from: '127.0.0.2' })
    const { retry_after_ms } = closed.body['facts'] as { retry_after_ms: number }
    expect([closed.status, closed.headers.get('retry-after')]).to.deep.equal([429, String(Math.ceil(retry_after_ms / 1_000))])
    expect(closed.body).to.include({ code: 'RATE_LIMITED', retry: 'later' })
    expect(retry_after_ms).to.be.within(9 * MINUTE_MS, 10 * MINUTE_MS)
    expect((await hub.signIn(other, undefined, { from: '127.0.0.2' })).status, 'another account').to.equal(200)
    expect((await hub.signIn(victim, undefined, { from: '127.0.0.3' })).status, 'another network').to.equal(200)
    hub.clock.advance(10 * MINUTE_MS)
    expect((await hub.signIn(victim, undefined, { from: '127.0.0.2' })).status, 'later').to.equal(200)
  })

  it('[ID-10] fifty failures from many networks close an account to new ones, and not to those it is at home in', async () => {
    const { email } = await hub.newUser()
    expect((await hub.signIn(email, undefined, { from: HOME })).status).to.equal(200)
    await hub.clock.pass(80 * DAY_MS)
    for (const network of [11, 12, 13, 14, 15]) await fail(counting(), email, { times: 10, from: `127.0.0.${network}` })
    expect(await guess(email, 1, '127.0.0.16')).to.deep.equal([429])
    expect((await hub.signIn(email, undefined, { from: '127.0.0.16' })).status, 'the right one, from somewhere new').to.equal(429)
    expect((await hub.signIn(email, undefined, { from: HOME })).status, 'from home').to.equal(200)
  })

  it('[ID-10] thirty failures from one address close it, whatever accounts it tries', async () => {
    const { email } = await hub.newUser()
    for (const name of ['a', 'b', 'c']) await fail(counting(), `${name}@example.org`, { times: 9, from: '127.0.0.20' })
    expect(await guess(email, 3, '127.0.0.20')).to.deep.equal([401, 401, 401])
    expect(await guess('d@example.org', 1, '127.0.0.20')).to.deep.equal([429])
    expect((await hub.signIn(email, undefined, { from: '127.0.0.20' })).status).to.equal(429)
    expect((await hub.signIn(email, undefined, { from: '127.0.0.21' })).status).to.equal(200)
  })

  it('[ID-10] several hubs count together, also what one counted before it was started again', async () => {
    const { email } = await hub.newUser()
    expect(await guess(email, 5, '127.0.0.30')).to.deep.equal(Array(5).fill(401))
    const [mate] = await hub.startMore(1)
    const guesses = Array.from({ length: 8 }, () => hub.signIn(email, 'wrong', { from: '127.0.0.30', ...(mate ? { at: mate } : {}) }))
    const statuses = (await Promise.all(guesses)).map(({ status }) => status)
    expect(statuses.sort()).to.deep.equal([...Array(5).fill(401), 429, 429, 429])
    expect((await hub.signIn(email, undefined, { from: '127.0.0.30' })).status).to.equal(429)
  })

  it('[ID-10] a success forgives the account in that network, and gives its address nothing to answer for', async () => {
    const { email } = await hub.newUser()
    for (const round of [1, 2]) {
      await fail(counting(), email, { times: 9, from: '127.0.0.40' })
      expect((await hub.signIn(email, undefined, { from: '127.0.0.40' })).status, `round ${round}`).to.equal(200)
    }
    // The eighteen failures were the address's own; the two successes were none.
    await fail(counting(), 'x@example.org', { times: 10, from: '127.0.0.40' })
    expect(await guess('y@example.org', 3, '127.0.0.40')).to.have.members([401, 401, 429])
  })

  it('[ID-10] one IPv6 customer is one network: an address is its /64, and a mapped IPv4 is the IPv4', async () => {
    const throttle = counting()
    let accounts = 0
    const attempt = (ip: string) => throttle.begin({ email: `person-${++accounts}@example.com`, ip })
    for (const mates of [
      ['192.0.2.1', '::ffff:192.0.2.1'],
      ['2001:db8::1', '2001:db8:0:0:f::2', '2001:db8::a:b:c:d'],
    ]) {
      for (let failure = 0; failure < 30; failure += 1) await attempt(mates[failure % mates.length] ?? '')
      for (const ip of mates) expect(await attempt(ip).catch(({ code }: { code: string }) => code), ip).to.equal('RATE_LIMITED')
    }
    for (const ip of ['192.0.2.2', '2001:db8:0:1::1']) expect(await attempt(ip), ip).to.have.property('succeeded')
  })
})
