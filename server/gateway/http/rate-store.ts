import { LRUCache } from 'lru-cache'
import { type RateLimiterAbstract, RateLimiterMemory } from 'rate-limiter-flexible'
import type { Rate } from '../../../shared/protocol/index.ts'
import { createTakeTogether, type Taken } from './take-together.ts'

export interface RateStore {
  /** Counts one request. Never rejects: a store that gives no answer in time is stood in for by this node's own count. */
  take(policy: string, rate: Rate, subject: string): Promise<Taken>
}

interface Limiters {
  shared(subject: string): Promise<Taken>
  own(subject: string): Promise<Taken>
}

/** A count is one small write. A store that takes longer is not well, and nobody should wait for it. */
const PATIENCE_MS = 400
/** So long this node counts alone after that, before it tries the store again. */
const MISTRUST_MS = 2_000
/** Rates that keys have of their own make limiters of their own. */
const MOST_LIMITERS = 1_000

/** Fixed windows in a store that all nodes share (the database, or Redis), so that neither a restart nor a second node resets them. */
export function createRateStore({
  createLimiter,
  onTrouble,
}: {
  createLimiter(policy: string, options: { points: number; duration: number; inMemoryBlockOnConsumed: number }): RateLimiterAbstract
  onTrouble(what: string, cause: unknown): void
}): RateStore {
  const limiters = new LRUCache<string, Limiters>({ max: MOST_LIMITERS })
  let mistrusted_until = Number.NEGATIVE_INFINITY

  function limitersOf(policy: string, { q, w }: Rate): Limiters {
    const name = `${policy} ${q} ${w}`
    const known = limiters.get(name)
    if (known !== undefined) return known
    // Who is over the limit is told so from memory until the window ends, so that a flood costs the store nothing.
    const options = { points: q, duration: w, inMemoryBlockOnConsumed: q + 1 }
    const own = new RateLimiterMemory({ points: q, duration: w })
    const made = { shared: createTakeTogether(createLimiter(policy, options), { q, w }), own: createTakeTogether(own, { q, w }) }
    limiters.set(name, made)
    return made
  }

  async function take(policy: string, rate: Rate, subject: string): Promise<Taken> {
    const { shared, own } = limitersOf(policy, rate)
    if (performance.now() < mistrusted_until) return own(subject)
    try {
      return await inTime(shared(subject))
    } catch (cause) {
      mistrusted_until = performance.now() + MISTRUST_MS
      onTrouble('the store of rate limits gives no answer; this node counts by itself', cause)
      return own(subject)
    }
  }

  return { take }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
