import type { EventType } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { StoredEvent } from '../../pipeline/store/event-store.ts'
import type { RoomModels } from './model.ts'

/** So far the list may lag behind the log: a room that is written to without pause costs one small write in this time, not one a post. */
const EVERY_MS = 5_000
const AT_ONCE = 500

/** What befalls an agent comes to all its rooms at once, and is nothing that anybody did in them. */
const QUIET: ReadonlySet<EventType> = new Set<EventType>([
  'agent.unhealthy',
  'agent.recovered',
  'permissions.changed',
  'permission.refused',
  'key.issued',
  'key.ended',
])

/**
 * When something was last done in each room, for lists that are sorted by it. Kept in mind at each commit of this hub, and written every
 * few seconds; a hub that is killed leaves what it had not written to the one that next commits to the room, or reads it.
 */
export function createRoomActivity({
  contracts,
  clock,
  onTrouble,
}: {
  contracts: RoomModels['contracts']
  clock: Clock
  onTrouble(what: string, cause: unknown): void
}) {
  const waiting = new Map<string, string>()
  let cancel: (() => void) | undefined
  let running = Promise.resolve()

  /** What this hub has written to a room, or found there. */
  function happened(contract_id: string, events: readonly StoredEvent[]): void {
    const at = events.findLast(({ event }) => !QUIET.has(event.type))?.event.at
    // Moments of one form sort as text.
    if (at === undefined || (waiting.get(contract_id) ?? '') >= at) return
    waiting.set(contract_id, at)
    writeLater()
  }

  function writeLater(): void {
    cancel ??= clock.after(EVERY_MS, () => {
      cancel = undefined
      void flush()
    })
  }

  /** Never rejects: what the database does not take is written the next time. */
  function flush(): Promise<void> {
    running = running.then(async () => {
      const all = [...waiting]
      waiting.clear()
      for (let from = 0; from < all.length; from += AT_ONCE) await write(all.slice(from, from + AT_ONCE))
    })
    return running
  }

  async function write(some: readonly [string, string][]): Promise<void> {
    try {
      // A later time of another hub stays, and what stands there already is not written again.
      const updates = some.map(([_id, at]) => {
        const last_activity_at = new Date(at)
        return { updateOne: { filter: { _id, last_activity_at: { $lt: last_activity_at } }, update: { $set: { last_activity_at } } } }
      })
      await contracts.bulkWrite(updates, { ordered: false })
    } catch (cause) {
      for (const [_id, at] of some) if (!waiting.has(_id)) waiting.set(_id, at)
      writeLater()
      onTrouble('the last activity of rooms was not written', cause)
    }
  }

  async function close(): Promise<void> {
    await flush()
    cancel?.()
    cancel = undefined
  }

  return { happened, close }
}
