import { LRUCache } from 'lru-cache'

/** The first events of a read say how large the others may be. Sixteen of the largest are 4 MB. */
const FIRST_BATCH = 16
/** Of a read that goes on where another ended: the next ones may be larger than those before them. */
const MOST_FIRST = 512
const MOST_KEPT = 10_000

/**
 * How many events to ask for first. One who reads a log page after page need not find out anew at each of them how large its events are:
 * that would be three questions for a page rather than one.
 */
export function createReadPaces() {
  /** By the id of the last event that was read. */
  const ended = new LRUCache<string, { count: number; bytes: number }>({ max: MOST_KEPT })

  function firstOf(after_id: string, most_bytes: number): number {
    const before = ended.get(after_id)
    if (before === undefined) return FIRST_BATCH
    const fit = Math.ceil((most_bytes * before.count) / before.bytes)
    return Math.max(Math.min(fit, before.count, MOST_FIRST), 1)
  }

  return { firstOf, note: (last_id: string, read: { count: number; bytes: number }) => void ended.set(last_id, read) }
}
