import { expect } from 'chai'
import { systemClock } from '../../../server/core/clock.ts'
import type { Log } from '../../../server/pipeline/log/log.ts'
import type { StoredEvent } from '../../../server/pipeline/store/event-store.ts'
import { createFollower } from '../../../server/pipeline/store/follow.ts'
import { toStored } from '../../../server/pipeline/store/stored-event.ts'
import { createVerifyStream } from '../../../server/pipeline/store/verify-stream.ts'
import { createHistory } from '../../harness/history/history.ts'
import { createRandom, type Random, seedOf } from '../../harness/random.ts'
import { type Fault, faults, say, useRig } from './log-rig.ts'

const [NODES, SENDERS, FRAMES, FAULTS] = [3, 6, 12, 24]
const LONGEST_DELAY_MS = 40
/** However many faults come in a row. */
const PATIENCE = { give_up_ms: 60_000 }

/** Lands after its sender has long looked for it. */
const late: Fault = async (run) => {
  // A place that was taken meanwhile is the point.
  setTimeout(() => void run().catch(() => undefined), LONGEST_DELAY_MS)
  throw new Error('no reply')
}
const kinds: readonly (Fault | undefined)[] = [
  ...[undefined, faults.committedWithoutReply, faults.lostOnTheWay, faults.partlyWithoutReply(1), faults.writeConcern, late],
  ...[faults.claimsDuplicateAt(0), faults.saysOf(0, { code: 11_600 }), faults.saysOf(0, { code: 1, errmsg: 'deadlock detected' }, 1)],
  // Refused, it says, and all of it is written.
  faults.saysOf(0, { code: 8_000 }, Number.POSITIVE_INFINITY),
]

describe('several nodes, every fault of the database, and a bus that fails', () => {
  const rig = useRig()

  it('[LOG-16] all faults at once: nothing is lost, nothing is there twice, and every node tells one order without a hole', async () => {
    const seed = seedOf('PARLEY_SEED')
    console.log(`      seed ${seed}`)
    const random = createRandom(seed)
    const streams = [rig.stream(), rig.stream()]
    const nodes = joinNodes(random)
    rig.plan.push(...Array.from({ length: FAULTS }, () => kinds[random.below(kinds.length)]))
    const history = createHistory()
    await Promise.all(
      Array.from({ length: SENDERS }, async (_, sender) => {
        for (let n = 0; n < FRAMES; n++) {
          const [by, key, stream] = [`sender-${sender}`, `k${n}`, streams[random.below(streams.length)] ?? '']
          history.sent(roomOf(stream), by, { key, body: key })
          const tries = [nodes.any(), ...(random.below(3) === 0 ? [nodes.any()] : [])]
          const done = await Promise.all(tries.map((log) => say(log, stream, { by, key })))
          for (const { stored } of done) history.acked(roomOf(stream), by, { key, seq: stored.seq, chain: stored.chain })
        }
      }),
    )
    await nodes.settle()
    for (const stream of streams) {
      const events = await rig.events(stream)
      const log = events.map(({ event }) => event)
      history.log(roomOf(stream), log)
      const { ok, head } = await createVerifyStream({ store: rig.plain })(stream, { asker_id: 'ada' })
      expect({ ok, head }, `seed ${seed}`).to.deep.equal({ ok: true, head: log.length })
      const seqs = events.map(({ seq }) => seq)
      // Each from the first event on that came when it had the room at hand.
      for (const told of nodes.told(stream)) expect(told, `seed ${seed}`).to.deep.equal(seqs.slice((told[0] ?? seqs.length + 1) - 1))
    }
    expect(history.faults(), `seed ${seed}`).to.deep.equal([])
  })

  /** Nodes that tell each other what they wrote, some of it never, some twice, and all of it late and in any order. */
  function joinNodes(random: Random) {
    const told: Map<string, number[]>[] = []
    const logs: Log[] = []
    const under_way = new Set<Promise<void>>()
    for (let node = 0; node < NODES; node++) {
      told.push(new Map())
      logs.push(rig.createLog({ bounds: PATIENCE, isFollowed: () => true, publish: (stream, news) => publish(node, stream, news) }))
    }
    const followers = logs.map((log) => createFollower({ log, store: rig.plain, clock: systemClock, afterwards, onTrouble }))

    function publish(node: number, stream: string, news: StoredEvent[]): void {
      told[node]?.set(stream, [...(told[node]?.get(stream) ?? []), ...news.map(({ seq }) => seq)])
      const own = news.filter(({ mine }) => mine)
      for (const [at, log] of logs.entries())
        if (at !== node) for (let copies = random.below(3); copies > 0; copies--) send(log, stream, own)
    }

    function send(log: Log, stream: string, own: StoredEvent[]): void {
      const sent = new Promise<void>((resolve) => setTimeout(resolve, random.below(LONGEST_DELAY_MS)))
      const heard = sent.then(() => log.ingest(stream, own.map(toStored)))
      under_way.add(heard)
      void heard.then(() => under_way.delete(heard))
    }

    return {
      any: () => logs[random.below(NODES)] as Log,
      settle: async () => {
        for (const log of logs) await log.flush()
        while (under_way.size > 0) await Promise.all(under_way)
        for (const { look } of followers) await look()
      },
      told: (stream: string) => told.map((one) => one.get(stream) ?? []),
    }
  }
})

const afterwards = () => Promise.resolve()
const onTrouble = () => undefined
const roomOf = (stream: string) => stream.slice('contract:'.length)
