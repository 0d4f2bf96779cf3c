import type { AuditItem } from '../../../shared/protocol/index.ts'
import { createBreather } from '../../pipeline/background/breather.ts'
import type { EventStore } from '../../pipeline/store/event-store.ts'
import { createFairTurns } from '../../pipeline/store/fair-turns.ts'
import { wireBytes } from '../../pipeline/store/stored-event.ts'
import { toAuditItem } from './audit-item.ts'

/** Sixteen of the largest are 4 MB. */
const EVENTS_AT_ONCE = 16
/** Reads under way in all, and of one asker: of long calls each is some MB until it is read through. */
const READS = { at_once: 4, per_lane: 1 }

export type ReadItems = (ids: readonly string[], by: { asker_id: string }) => Promise<AuditItem[]>

/**
 * Events by their ids as the trail shows them, in that order. What is shown of one is small, but its text may hold all that a tool was given: a few are
 * read at a time, the askers in turn.
 */
export function createReadItems({ collection }: Pick<EventStore, 'collection'>): ReadItems {
  const reads = createFairTurns(READS)

  return async function readItems(ids, { asker_id }) {
    const breathe = createBreather()
    const items = new Map<string, AuditItem>()
    for (let at = 0; at < ids.length; at += EVENTS_AT_ONCE) {
      const some = ids.slice(at, at + EVENTS_AT_ONCE)
      await reads.run(asker_id, async () => {
        const rows = await collection.find({ _id: { $in: some } }, { readConcern: { level: 'majority' } }).toArray()
        for (const row of rows) {
          items.set(row._id, toAuditItem(row))
          await breathe(wireBytes(row.json))
        }
      })
    }
    return ids.flatMap((id) => items.get(id) ?? [])
  }
}
