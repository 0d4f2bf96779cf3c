import { expect } from 'chai'
import type { Log } from '../../../server/pipeline/log/log.ts'
import { createVerifyStream } from '../../../server/pipeline/store/verify-stream.ts'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { createHistory } from '../../harness/history/history.ts'
import { testDatabase } from '../../harness/hub.ts'
import { createRandom, seedOf } from '../../harness/random.ts'
import { type Cut, createDatabaseProxy, type DatabaseProxy } from './database-proxy.ts'
import { bodiesOf, createRig, outcomeOf, type Rig, say } from './log-rig.ts'

const PATIENCE_MS = 45_000

/** The append over a wire that is cut, silent or gone. */
describe('the append without its database', () => {
  let proxy: DatabaseProxy
  /** What the hub has: everything it asks goes through the proxy. */
  let rig: Rig
  before(async () => {
    proxy = await createDatabaseProxy(await testDatabase())
    rig = await createRig(proxy.uri)
  })
  after(async () => {
    proxy.mend()
    await rig.close()
    await proxy.close()
  })

  for (const cut of ['before', 'after', 'silence'] satisfies Cut[]) {
    it(`[LOG-14] the wire is cut (${cut}): every frame is acknowledged once, where it is`, async () => {
      const [log, stream] = [rig.createLog(), rig.stream()]
      await say(log, stream, { key: 'first' })
      proxy.plan.push(cut)
      const done = await Promise.all(['a', 'b', 'c'].map((key) => outcomeOf(say(log, stream, { key }))))
      expect(done).to.deep.equal([2, 3, 4])
      expect(bodiesOf(await rig.events(stream))).to.deep.equal(['1 first', '2 a', '3 b', '4 c'])
      expect(await createVerifyStream({ store: rig.plain })(stream, { asker_id: 'ada' })).to.include({ ok: true, head: 4 })
    })
  }

  for (const how of ['cut', 'freeze'] as const) {
    it(`[LOG-15] a database that is gone (${how}): UNAVAILABLE in time, a bounded queue, and it recovers by itself`, async () => {
      const bounds = { waiting: 50, give_up_ms: 1_500 }
      const [log, warm, cold] = [rig.createLog({ bounds }), rig.stream(), rig.stream()]
      await say(log, warm, { key: 'first' })
      proxy[how]()
      const keys = Array.from({ length: 60 }, (_, n) => `k${n}`)
      const began = performance.now()
      const done = await Promise.all(keys.map((key, n) => outcomeOf(say(log, n % 2 === 0 ? warm : cold, { key }))))
      const took_ms = performance.now() - began
      expect(done).to.deep.equal(keys.map((_, n) => (n < 50 ? 'UNAVAILABLE' : 'OVERLOADED')))
      // Far below what the driver would wait for its socket.
      expect(took_ms).to.be.within(1_400, 15_000)
      expect(log.waiting()).to.equal(0)
      // Nobody waits for these any more, so the queue does not grow while the database is away.
      for (let round = 0; round < 3; round++) {
        await Promise.all(keys.map((key) => outcomeOf(say(log, warm, { key }))))
        expect(log.cached(warm)?.queue.length).to.equal(0)
      }
      proxy.mend()
      const again = await sendUntilAnswered(log, warm, keys)
      expect(new Set(again).size, 'each in its own place').to.equal(60)
      expect((await rig.events(warm)).map(({ event }) => event.key).toSorted()).to.deep.equal(['first', ...keys].toSorted())
      expect(await createVerifyStream({ store: rig.plain })(warm, { asker_id: 'ada' })).to.include({ ok: true, head: 61 })
      await log.flush()
    })
  }

  it('[LOG-15] a refusal does not leave while the database cannot say whether the first try was recorded', async () => {
    const [log, stream] = [rig.createLog({ bounds: { give_up_ms: 1_000 } }), rig.stream()]
    await say(log, stream, { key: 'first' })
    const decide = () => {
      throw new ParleyError('CONTRACT_ENDED')
    }
    proxy.cut()
    expect(await outcomeOf(say(log, stream, { key: 'x', decide }))).to.equal('UNAVAILABLE')
    proxy.mend()
    expect(await sendUntilAnswered(log, stream, ['y'])).to.have.lengthOf(1)
    expect(await outcomeOf(say(log, stream, { key: 'x', decide }))).to.equal('CONTRACT_ENDED')
  })

  it('[LOG-16] random cuts, two nodes, re-sent keys: nothing lost, nothing twice, one order', async () => {
    const seed = seedOf('PARLEY_SEED')
    const random = createRandom(seed)
    const [log, other] = [rig.createLog(), rig.createLog({ publish: () => {} })]
    const streams = Array.from({ length: 3 }, () => rig.stream())
    const history = createHistory()
    let isDone = false
    const cutting = (async () => {
      for (let cuts = 0; cuts < 8; cuts++) {
        // Chance decides when, so there is no event to wait for.
        await new Promise((resolve) => setTimeout(resolve, 100 + random.below(500)))
        if (random.below(4) === 0) proxy.cut()
        else proxy.plan.push((['before', 'after'] as const)[random.below(2)])
        await new Promise((resolve) => setTimeout(resolve, random.below(200)))
        proxy.mend()
      }
      isDone = true
    })()
    await Promise.all(
      Array.from({ length: 6 }, async (_, sender) => {
        const by = `sender-${sender}`
        for (let n = 0; !isDone; n++) {
          const stream = streams[random.below(streams.length)] ?? ''
          const contract_id = stream.slice('contract:'.length)
          const key = `k${n}`
          history.sent(contract_id, by, { key, body: key })
          const [first, second] = random.below(2) === 0 ? [log, other] : [other, log]
          const tries = random.below(4) === 0 ? [first, second] : [first]
          const seqs = await Promise.all(tries.map((one) => untilAnswered(() => say(one, stream, { by, key }))))
          for (const { seq, chain } of seqs) history.acked(contract_id, by, { key, seq, chain })
        }
      }),
    )
    await cutting
    proxy.plan.length = 0
    for (const stream of streams) {
      history.log(
        stream.slice('contract:'.length),
        (await rig.events(stream)).map(({ event }) => event),
      )
    }
    console.log(`      seed ${seed}: ${JSON.stringify(history.counts())}, ${rig.troubles.length} troubles`)
    expect(history.faults(), `seed ${seed}`).to.deep.equal([])
  })

  async function sendUntilAnswered(log: Log, stream: string, keys: string[]): Promise<number[]> {
    return Promise.all(keys.map(async (key) => (await untilAnswered(() => say(log, stream, { key }))).seq))
  }

  async function untilAnswered(ask: () => ReturnType<typeof say>): Promise<{ seq: number; chain: string }> {
    for (const until = performance.now() + PATIENCE_MS; ; ) {
      try {
        return (await ask()).stored.event
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : error
        if ((code !== 'UNAVAILABLE' && code !== 'OVERLOADED') || performance.now() > until) throw error
        // The pause of a client, not a wait for something.
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }
})
