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

/** Joins of one principal that read at once, so that those of one room share what they read. */
const AT_ONCE = 32
const MOST_WAITING = 2_000
/** Those that nobody used for a while owe nothing any more. */
const MOST_PRINCIPALS = 20_000

/**
 * A small frame that may have an answer of megabytes, each made anew: the joins of a principal take turns and pay for what they were
 * answered, so that nobody keeps the hub busy by asking. Refuses RATE_LIMITED while there is too much to pay, OVERLOADED when too many wait.
 */
export function createJoinAdmission({ clock, limits }: JoinAdmissionDeps) {
  const turns = createFairTurns({ at_once: Number.POSITIVE_INFINITY, per_lane: AT_ONCE })
  const answered = new LRUCache<string, Bucket>({ max: MOST_PRINCIPALS })
  const per_s = limits.principal_bytes_per_s

  function run<T>(session: Session, read: () => Promise<T>): Promise<T> {
    const { id } = session.principal
    if (turns.waitingOf(id) >= MOST_WAITING) throw new ParleyError('OVERLOADED')
    return turns.run(id, async () => {
      // Nobody is left who would hear the answer.
      if (!session.isOpen()) throw new ParleyError('UNAVAILABLE')
      const retry_after_ms = answered.get(id)?.take(0) ?? 0
      if (retry_after_ms > 0) throw new ParleyError('RATE_LIMITED', { retry_after_ms })
      return read()
    })
  }

  function charge({ principal: { id } }: Session, length: number): void {
    const bucket = answered.get(id) ?? new Bucket({ per_s, burst: per_s * 2, clock })
    answered.set(id, bucket)
    bucket.owe(length)
  }

  return { run, charge }
}

export type JoinAdmission = ReturnType<typeof createJoinAdmission>
