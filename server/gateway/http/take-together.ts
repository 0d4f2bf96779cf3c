import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible'
import type { Rate } from '../../../shared/protocol/index.ts'

export interface Taken {
  left: number
  /** Until the window ends. */
  resets_ms: number
  refused: boolean
}

interface Batch {
  count: number
  counted: Promise<RateLimiterRes>
}

/**
 * Counts requests of one subject that come at once by one write: those that come while it is under way share the next. Each has a place of its
 * own in the count, so exactly as many pass as if each were written for itself. Rejects when the store fails.
 */
export function createTakeTogether(limiter: RateLimiterAbstract, { q }: Rate): (subject: string) => Promise<Taken> {
  const gathering = new Map<string, Batch>()
  const writing = new Map<string, Promise<unknown>>()

  function gather(subject: string): Batch {
    const batch: Batch = { count: 0, counted: (writing.get(subject) ?? Promise.resolve()).then(write, write) }
    gathering.set(subject, batch)
    return batch

    function write(): Promise<RateLimiterRes> {
      gathering.delete(subject)
      const written = limiter.consume(subject, batch.count).catch(onlyRefused)
      const ended = written.finally(() => writing.get(subject) === ended && writing.delete(subject)).catch(() => undefined)
      writing.set(subject, ended)
      return written
    }
  }

  return async (subject) => {
    const batch = gathering.get(subject) ?? gather(subject)
    const nth = ++batch.count
    const { consumedPoints, msBeforeNext } = await batch.counted
    // Of a subject that is over its limit the library knows so by heart, and counts nothing.
    const place = consumedPoints === 0 ? q + 1 : consumedPoints - batch.count + nth
    return { left: Math.max(q - place, 0), resets_ms: Math.max(msBeforeNext, 0), refused: place > q }
  }
}

/** The library rejects with its result when the limit is reached, and with an error when the store fails. */
function onlyRefused(thrown: unknown): RateLimiterRes {
  if (thrown instanceof RateLimiterRes) return thrown
  throw thrown
}
