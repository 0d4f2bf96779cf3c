import { expect } from 'chai'
import { startHub, type TestHub } from '../harness/hub.ts'
import { registerAgent } from '../harness/people.ts'
import { type RedisServer, startRedis } from '../harness/processes/redis.ts'

describe('rates of HTTP routes on several nodes', () => {
  const hubs: TestHub[] = []
  let redis: RedisServer

  async function add(): Promise<TestHub> {
    const [like] = hubs
    const hub = await startHub({ redis_url: redis.url, rates: { read: { q: 5, w: 60 } }, ...(like ? { like } : {}) })
    hubs.push(hub)
    return hub
  }
  before(async () => {
    redis = await startRedis()
  })
  after(async () => {
    redis.resume()
    for (const hub of hubs.reverse()) await hub.close()
    await redis.stop()
  })

  it('[NODE-34] with Redis the counts lie there: nodes share them, a restart keeps them, and a Redis that hangs refuses nobody', async () => {
    const first = await add()
    const { bearer } = await registerAgent(first)
    const me = async (hub: TestHub) => (await hub.get('/me', bearer)).status
    const seen = []
    for (let at = 0; at < 3; at++) seen.push(await me(first))
    const second = await add()
    for (let at = 0; at < 3; at++) seen.push(await me(second))
    expect(seen).to.deep.equal([200, 200, 200, 200, 200, 429])
    expect(await me(await add())).to.equal(429)
    expect(await redis.ask('KEYS', 'parley:rate:*')).to.include('parley:rate:read:agent:')

    redis.pause()
    const stranded = await registerAgent(first)
    const alone = []
    for (let at = 0; at < 6; at++) alone.push((await first.get('/me', stranded.bearer)).status)
    expect(alone).to.deep.equal([200, 200, 200, 200, 200, 429])
  })
})
