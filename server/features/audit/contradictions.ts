import { LRUCache } from 'lru-cache'
import { type Checkpoint, type LogFault, logFaults } from '../../../shared/protocol/index.ts'
import { system } from '../../core/access/principal.ts'
import { nextChain } from '../../core/seal.ts'
import type { Audit } from '../../pipeline/audit.ts'
import { type EventStore, eventId } from '../../pipeline/store/event-store.ts'

/** Logs that were told of. Past it one may be told again. */
const MOST_TOLD = 10_000
const READ_AT_ONCE = 2_000

export type TellContradicted = (place: Pick<Checkpoint, 'stream' | 'seq'>, fault: LogFault) => void

/** Tells that a log contradicts what was signed of it: of each log once, as long as this hub lives. */
export function createTellContradicted(audit: Pick<Audit, 'record'>): TellContradicted {
  const told = new LRUCache<string, true>({ max: MOST_TOLD })
  return ({ stream, seq }, fault) => {
    if (told.has(stream)) return
    told.set(stream, true)
    audit.record({
      ...{ type: 'checkpoint.contradicted', actor: { type: 'system', id: system.id }, subject: { type: 'log', id: stream } },
      metadata: { seq, fault, detail: logFaults[fault] },
    })
  }
}

/**
 * What is wrong between two checkpoints of a log; undefined when the later one covers the earlier: the earlier chain, carried on over the
 * events between them, is the later one. The digests are what the database says, and it cannot lie: no others lead from the one to the other.
 */
export async function faultBetween({ collection }: Pick<EventStore, 'collection'>, from: Checkpoint, to: Checkpoint) {
  const between = { _id: { $gt: eventId(from.stream, from.seq), $lte: eventId(to.stream, to.seq) } }
  const options = { readConcern: { level: 'majority' as const }, projection: { digest: 1 }, batchSize: READ_AT_ONCE }
  let { seq, chain } = from
  for await (const { digest } of collection.find(between, options).sort({ _id: 1 })) {
    seq++
    chain = nextChain(chain, digest)
  }
  if (seq < to.seq) return 'cut_short'
  return chain === to.chain ? undefined : 'checkpoint_differs'
}
