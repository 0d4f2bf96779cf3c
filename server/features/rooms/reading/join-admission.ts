import { LRUCache } from 'lru-cache'
import { type Limits, ParleyError } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import { Bucket } from '../../../core/token-bucket.ts'
import type { Session } from '../../../pipeline/session.ts'
import { createFairTurns } from '../../../pipeline/store/fair-turns.ts'

export interface JoinAdmissionDeps {
  clock: Clock
  limits: Pick<Limits, 'principal_bytes_per_s'>
}

/** Thousands of connections of one principal may come back at once; those that go away meanwhile leave the queue. */
const MOST_WAITING = 20_000
/** What every join may be answered; the limits of frames bound how many of those there are. */
const FREE = 16_384
/** Those that nobody used for a while owe nothing any more. */
const MOST_PRINCIPALS = 20_000

/**
 * A small frame that may have an answer of megabytes, each made anew: the answers to a principal's joins take turns, one in each turn of the
 * event loop, and are paid for beyond a little, so that nobody keeps the hub busy by asking. What is read for them is not held up: those
 * of one room share it.
 */
export function createJoinAdmission({ clock, limits }: JoinAdmissionDeps) {
  const turns = createFairTurns({ at_once: Number.POSITIVE_INFINITY, per_lane: 1 })
  const answered = new LRUCache<string, Bucket>({ max: MOST_PRINCIPALS })
  const per_s = limits.principal_bytes_per_s

  /** Resolves when the answer is to be made, at once. Refuses RATE_LIMITED while there is too much to pay, OVERLOADED when too many wait. */
  function takeTurn(session: Session): Promise<void> {
    const { id } = session.principal
    if (turns.waitingOf(id) >= MOST_WAITING) throw new ParleyError('OVERLOADED')
    return new Promise((resolve, reject) => {
      void turns.run(id, async () => {
        const retry_after_ms = answered.get(id)?.take(0) ?? 0
        // Nobody is left who would hear the answer.
        if (!session.isOpen()) return reject(new ParleyError('UNAVAILABLE'))
        if (retry_after_ms > 0) return reject(new ParleyError('RATE_LIMITED', { retry_after_ms }))
        resolve()
        // Until then the answer is made and charged.
        return new Promise(setImmediate)
      })
    })
  }

  function charge({ principal: { id } }: Session, length: number): void {
    if (length <= FREE) return
    const bucket = answered.get(id) ?? new Bucket({ per_s, burst: per_s * 2, clock })
    answered.set(id, bucket)
    bucket.owe(length - FREE)
  }

  return { takeTurn, charge }
}

export type JoinAdmission = ReturnType<typeof createJoinAdmission>
