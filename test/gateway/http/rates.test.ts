import { expect } from 'chai'
import mongoose from 'mongoose'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { createRateStore } from '../../../server/gateway/http/rate-store.ts'
import { startHub, type TestHub, type TestHubOptions } from '../../harness/hub.ts'
import { type Person, registerAgent, signUp } from '../../harness/people.ts'
import { wideRates } from '../../harness/wide-rates.ts'

const rates = { read: { q: 5, w: 60 }, write: { q: 3, w: 60 }, register: { q: 4, w: 3_600 } }

describe('rates of HTTP routes', () => {
  const hubs: TestHub[] = []

  async function start(options: TestHubOptions = {}): Promise<TestHub> {
    const hub = await startHub({ rates, ...options })
    hubs.push(hub)
    return hub
  }
  afterEach(async () => {
    for (const hub of hubs.splice(0).reverse()) await hub.close()
  })

  const ask = (hub: TestHub, path: string, { bearer, ...init }: RequestInit & { bearer?: string } = {}) =>
    fetch(hub.url + path, { ...init, headers: { ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), ...init.headers } })
  const statuses = async (count: number, one: () => Promise<Response>) => {
    const seen: number[] = []
    for (let at = 0; at < count; at++) seen.push((await one()).status)
    return seen
  }
  const post = { method: 'POST', headers: { 'content-type': 'application/json' } }

  it('[HTTP-1] each answer says the policy and what is left of it; above it is 429 with the time to wait', async () => {
    const hub = await start()
    const { bearer } = await signUp(hub)
    const first = await ask(hub, '/me', { bearer })
    expect(first.headers.get('ratelimit-policy')).to.equal('"read";q=5;w=60')
    expect(first.headers.get('ratelimit')).to.match(/^"read";r=4;t=(60|[1-5]?\d)$/)
    expect(await statuses(4, () => ask(hub, '/contracts', { bearer }))).to.deep.equal([200, 200, 200, 200])
    for (let again = 0; again < 2; again++) {
      const refused = await ask(hub, '/me', { bearer })
      const problem = (await refused.json()) as { facts: { retry_after_ms: number } }
      expect(problem).to.include({ status: 429, code: 'RATE_LIMITED', retry: 'later' })
      expect(problem.facts).to.deep.include({ policy: 'read', q: 5, w: 60 })
      expect(problem.facts.retry_after_ms).to.be.within(1, 60_000)
      expect(refused.headers.get('retry-after')).to.equal(String(Math.ceil(problem.facts.retry_after_ms / 1_000)))
      expect(refused.headers.get('ratelimit')).to.match(/^"read";r=0;t=/)
    }
  })

  it('[HTTP-1] reads and writes are counted apart, and each principal for itself', async () => {
    const hub = await start()
    const [ada, eve] = [await signUp(hub), await signUp(hub)]
    const write = (bearer: string) => () => ask(hub, '/contracts', { ...post, bearer, body: '{}' })
    expect(await statuses(4, write(ada.bearer))).to.deep.equal([400, 400, 400, 429])
    expect(await statuses(6, () => ask(hub, '/me', { bearer: ada.bearer }))).to.deep.equal([200, 200, 200, 200, 200, 429])
    expect((await write(eve.bearer)()).status).to.equal(400)
  })

  it('[HTTP-2] who shows no credentials, or bad ones, is counted by address', async () => {
    const hub = await start({ trust_proxy: ['loopback'] })
    const from = (address: string, bearer?: string) => () =>
      ask(hub, '/me', { headers: { 'x-forwarded-for': address }, ...(bearer ? { bearer } : {}) })
    expect(await statuses(3, from('192.0.2.1'))).to.deep.equal([401, 401, 401])
    expect(await statuses(3, from('192.0.2.1', 'wrong'))).to.deep.equal([401, 401, 429])
    expect(await statuses(1, from('192.0.2.2'))).to.deep.equal([401])
    // One customer has all addresses of a /64.
    const guesses = await Promise.all([':1', ':2:3', 'a:b:c:d', ':a', ':b', ':c'].map((tail) => from(`2001:db8:1:2:${tail}`)()))
    expect(guesses.map(({ status }) => status).sort()).to.deep.equal([401, 401, 401, 401, 401, 429])
    expect((await from('2001:db8:1:3::1')()).status).to.equal(401)
  })

  it('[HTTP-3] neither a second node nor a restart resets a count, and it ends with its window', async () => {
    const hub = await start()
    const { bearer } = await signUp(hub)
    await statuses(5, () => ask(hub, '/me', { bearer }))
    const other = await start({ like: hub })
    expect((await ask(other, '/me', { bearer })).status).to.equal(429)
    await other.close()
    hubs.pop()
    expect((await ask(await start({ like: hub }), '/me', { bearer })).status).to.equal(429)

    const connection = await mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name }).asPromise()
    // The window's end, moved to the past.
    await connection.collection('rate_limits').updateMany({}, { $set: { expire: new Date(Date.now() - 1) } })
    await connection.close()
    const later = await start({ like: hub })
    expect(await statuses(6, () => ask(later, '/me', { bearer }))).to.deep.equal([200, 200, 200, 200, 200, 429])
  })

  it('[HTTP-3] of many requests at once on two nodes exactly as many pass as the policy says', async () => {
    const hub = await start()
    const other = await start({ like: hub })
    const { bearer } = await signUp(hub)
    const seen = await Promise.all(Array.from({ length: 40 }, (_, at) => ask(at % 2 === 0 ? hub : other, '/me', { bearer })))
    expect(seen.filter(({ status }) => status === 200)).to.have.length(5)
    expect(seen.filter(({ status }) => status === 429)).to.have.length(35)
  })

  it('[HTTP-4] the operator, the health of the hub and files count against nothing', async () => {
    const hub = await start()
    expect(new Set(await statuses(8, () => ask(hub, '/me', { bearer: hub.operator_token })))).to.deep.equal(new Set([200]))
    expect(new Set(await statuses(8, () => ask(hub, '/readyz')))).to.deep.equal(new Set([200]))
    expect(new Set(await statuses(8, () => ask(hub, '/app/favicon.ico')))).to.not.include(429)
    expect((await ask(hub, '/livez')).headers.has('ratelimit')).to.equal(false)
  })

  it("[HTTP-5] a key's own rate stands in the place of the hub's, and is counted for that key", async () => {
    const hub = await start()
    const agent = await registerAgent(hub)
    expect(await statuses(5, () => ask(hub, '/me', { bearer: agent.bearer }))).to.deep.equal([200, 200, 200, 200, 200])
    const connection = await mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name }).asPromise()
    await connection.collection('agent_keys').updateOne({ agent_id: agent.id }, { $set: { rates: { read: { q: 2, w: 10 } } } })
    await connection.close()
    const first = await ask(hub, '/me', { bearer: agent.bearer })
    expect(first.headers.get('ratelimit-policy')).to.equal('"read";q=2;w=10')
    expect(first.headers.get('ratelimit')).to.match(/^"read";r=1;/)
  })

  it('[HTTP-6] registration is limited by address, whoever asks but the operator', async () => {
    const hub = await start({ trust_proxy: 1 })
    const register = (address: string, bearer?: string) => () =>
      ask(hub, '/agents', {
        ...post,
        headers: { ...post.headers, 'x-forwarded-for': address },
        body: '{"name":"x"}',
        ...(bearer ? { bearer } : {}),
      })
    const people: Person[] = [await signUp(hub), await signUp(hub)]
    expect(await statuses(2, register('192.0.2.1'))).to.deep.equal([201, 201])
    expect(await statuses(2, register('192.0.2.1', people[0]?.bearer))).to.deep.equal([201, 201])
    expect(await statuses(1, register('192.0.2.1', people[1]?.bearer))).to.deep.equal([429])
    expect(await statuses(1, register('192.0.2.2'))).to.deep.equal([201])
    expect(await statuses(6, register('192.0.2.1', hub.operator_token))).to.deep.equal([201, 201, 201, 201, 201, 201])
  })

  it('[HTTP-6] sign-in is limited by address, and its forwarded address is the one that failures close', async () => {
    const hub = await start({ trust_proxy: 1, rates: { ...wideRates, login: { q: 2, w: 60 } } })
    const signIn = (address: string) => () =>
      ask(hub, '/sessions', {
        ...post,
        headers: { ...post.headers, 'x-forwarded-for': address },
        body: '{"email":"nobody@example.org","password":"wrong"}',
      })
    expect(await statuses(3, signIn('192.0.2.7'))).to.deep.equal([401, 401, 429])
    expect(await statuses(1, signIn('192.0.2.8'))).to.deep.equal([401])
  })

  for (const [what, answer] of [
    ['fails', () => Promise.reject(new Error('no store'))],
    ['never answers', () => new Promise<never>(() => {})],
  ] as const) {
    it(`[HTTP-7] while the store of counts ${what}, this node counts by itself`, async () => {
      const troubles: string[] = []
      let asked = 0
      class Broken extends RateLimiterMemory {
        override consume() {
          asked += 1
          return answer()
        }
      }
      const store = createRateStore({
        createLimiter: (_policy, options) => new Broken(options),
        onTrouble: (trouble) => troubles.push(trouble),
      })
      const taken = []
      for (let at = 0; at < 4; at++) taken.push(await store.take('read', { q: 3, w: 60 }, 'user:1'))
      expect(taken.map(({ refused, left }) => [refused, left])).to.deep.equal([
        [false, 2],
        [false, 1],
        [false, 0],
        [true, 0],
      ])
      // Not asked again for each request: whoever waits for it would wait in vain.
      expect(asked).to.be.lessThan(4)
      expect(troubles).to.have.length(asked)
    })
  }

  it('[HTTP-35] requests of one subject that come at once are counted by few writes, and exactly as many pass', async () => {
    let writes = 0
    class Counted extends RateLimiterMemory {
      override async consume(...args: Parameters<RateLimiterMemory['consume']>) {
        writes += 1
        await new Promise((resolve) => setImmediate(resolve))
        return super.consume(...args)
      }
    }
    const store = createRateStore({ createLimiter: (_policy, options) => new Counted(options), onTrouble: () => {} })
    const take = () => store.take('read', { q: 5, w: 60 }, 'user:1')
    const [first, ...more] = [take(), ...Array.from({ length: 3 }, take)]
    await first
    const taken = await Promise.all([first, ...more, ...Array.from({ length: 4 }, take)])
    expect(taken.map(({ refused, left }) => [refused, left])).to.deep.equal([
      ...[4, 3, 2, 1, 0].map((left) => [false, left]),
      ...[0, 0, 0].map((left) => [true, left]),
    ])
    expect(writes).to.be.below(taken.length)
    expect((await take()).refused).to.equal(true)
  })
})
