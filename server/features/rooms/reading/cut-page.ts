import type { StoredEvent } from '../../../pipeline/store/event-store.ts'

/** As many events from a place on as fit in the bytes, and at least one. */
export function cutPage(events: readonly StoredEvent[], from: number, most_bytes: number): StoredEvent[] {
  let bytes = 0
  const end = events.findIndex((stored, at) => {
    if (at < from) return false
    bytes += stored.bytes
    return at > from && bytes > most_bytes
  })
  return events.slice(from, end === -1 ? events.length : end)
}
