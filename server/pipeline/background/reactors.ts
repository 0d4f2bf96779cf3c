import type { EventType, LogDraft } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { type EventDocument, type EventStore, eventId, type StoredEvent } from '../store/event-store.ts'
import { toStored } from '../store/stored-event.ts'
import { type DeadLetter, isFree, LONGEST_WAIT_MS, MOST_ATTEMPTS, reasonOf, waitAfter, willPass } from './retry.ts'

/** Does what follows from an event. At least once, so idempotent by stream and seq; its outcome comes back as a frame. */
export type React = (stream: string, stored: StoredEvent) => Promise<void>
/** Where only some events of a type have a consequence: the others are not even marked, which saves taking the mark away. */
export interface ReactToSome {
  react: React
  concerns(draft: LogDraft): boolean
}
export type ReactorTable = Partial<Record<EventType, readonly (React | ReactToSome)[]>>

/** Of an event that was left behind, maybe by another node. */
interface Claimed {
  attempts?: number
  isOfAnother?: true
}

const NONE: readonly React[] = []

/** What follows from the event, in its order. */
export function reactionsTo(table: ReactorTable, draft: LogDraft): readonly React[] {
  // The cast holds: what is not of a room has no row.
  const reactors = table[draft.type as EventType]
  if (reactors === undefined) return NONE
  return reactors.flatMap((one) => (typeof one === 'function' ? one : one.concerns(draft) ? one.react : []))
}

const SWEEP_EVERY_MS = 5_000
/** How long a node has for an event that it took up before another may. */
const LEASE_MS = 30_000
const MOST_AT_ONCE = 100
const MOST_COUNTED = 10_000
/** For others that are done soon after: nobody waits for the mark to go, and after a crash it is done again at worst. */
const CROSSED_OFF_WITHIN_MS = 20

/**
 * An event that concerns a reactor is stored with `pending`, which is unset when all of them are done; so nothing is forgotten by a
 * crash between the two. The node that wrote an event takes it up at once; what stays behind is swept by any node under a lease,
 * with growing pauses, and is a dead letter when it never succeeds.
 */
export function createReactors({
  store,
  clock,
  table,
  refresh,
  onTrouble,
  onDeadLetter = () => {},
}: {
  store: EventStore
  clock: Clock
  table: () => ReactorTable
  /** Folds the stream up to its end, so that no reactor to another node's event looks at a room from before it. */
  refresh?(stream: string): Promise<unknown>
  onTrouble(what: string, cause: unknown): void
  /** What follows from an event is given up. */
  onDeadLetter?(letter: DeadLetter): void
}) {
  const under_way = new Map<string, Promise<void>>()
  const finished: string[] = []
  let flushing: Promise<void> | undefined
  let stop: (() => void) | undefined

  /** For what this node has just written. */
  function takeUp(stream: string, own: readonly StoredEvent[]): void {
    for (const stored of own) if (reactionsTo(table(), stored.event).length > 0) void begin(stream, stored)
  }

  function begin(stream: string, stored: StoredEvent, claimed: Claimed = {}): Promise<void> {
    const _id = eventId(stream, stored.seq)
    const run = react(_id, stream, stored, claimed).finally(() => under_way.delete(_id))
    under_way.set(_id, run)
    return run
  }

  /** Never rejects: what befalls one event, or the whole of its room, keeps no other waiting. */
  async function react(_id: string, stream: string, stored: StoredEvent, { attempts = 0, isOfAnother }: Claimed): Promise<void> {
    try {
      if (isOfAnother) await refresh?.(stream)
      for (const one of reactionsTo(table(), stored.event)) await one(stream, stored)
      finished.push(_id)
      flushing ??= clearFinished()
      await flushing
    } catch (cause) {
      onTrouble(`what follows from the event ${_id} failed`, cause)
      // When this fails too, it stays pending as it was, and the sweep takes it up again.
      if (!willPass(cause)) await putOff(_id, attempts + 1, cause).catch((error: unknown) => onTrouble('a failure was not noted', error))
    }
  }

  /** One write for all that finished in a short while. A real one even under a hand-moved clock: it is the database's pace. */
  async function clearFinished(): Promise<void> {
    try {
      await new Promise((resolve) => setTimeout(resolve, CROSSED_OFF_WITHIN_MS))
      while (finished.length > 0) {
        const ids = finished.splice(0)
        await store.collection.updateMany({ _id: { $in: ids } }, { $unset: { pending: '', react_until: '', react_attempts: '' } })
      }
    } finally {
      // In the same step as the last look at `finished`, so that none is left over.
      flushing = undefined
    }
  }

  async function putOff(_id: string, attempts: number, cause: unknown): Promise<void> {
    const now = clock.now()
    const later: Partial<EventDocument> = { react_attempts: attempts, react_until: new Date(now + waitAfter(attempts)) }
    const dead: Partial<EventDocument> = { dead_letter: { at: new Date(now), attempts, error: reasonOf(cause) } }
    const update = attempts < MOST_ATTEMPTS ? { $set: later } : { $set: dead, $unset: { pending: '', react_until: '', react_attempts: '' } }
    const { matchedCount } = await store.collection.updateOne({ _id, pending: { $exists: true } }, update as object)
    if (matchedCount === 1 && attempts >= MOST_ATTEMPTS) onDeadLetter({ kind: 'reactor', id: _id, attempts, error: reasonOf(cause) })
  }

  /** Takes up what was left behind, oldest first. Answers how many. */
  async function sweep({ settled_ms }: { settled_ms: number }): Promise<number> {
    const now = clock.now()
    const free = { pending: { $exists: true }, ...isFree('react_until', now, LONGEST_WAIT_MS) }
    const left = await store.collection
      .find({ ...free, at: { $gte: new Date(0) } })
      .sort({ at: 1 })
      .limit(MOST_AT_ONCE)
      .toArray()
    // What is fresh is most likely in its writer's hands. One from the future was written before the clock was set back.
    const old = left.filter(({ _id, at }) => Math.abs(now - at.getTime()) >= settled_ms && !under_way.has(_id))
    const taken = await Promise.all(old.map(({ _id }) => claim(_id, free)))
    return taken.filter(Boolean).length
  }

  async function claim(_id: string, free: object): Promise<boolean> {
    const lease: Partial<EventDocument> = { react_until: new Date(clock.now() + LEASE_MS) }
    const mine = await store.collection.findOneAndUpdate({ _id, ...free }, { $set: lease })
    if (mine === null) return false
    await begin(mine.stream, toStored(mine), { attempts: mine.react_attempts ?? 0, isOfAnother: true })
    return true
  }

  function start(): void {
    const again = () => {
      stop = clock.after(SWEEP_EVERY_MS, () => {
        const swept = sweep({ settled_ms: SWEEP_EVERY_MS }).then(
          () => undefined,
          (cause: unknown) => onTrouble('the sweep of pending events failed', cause),
        )
        under_way.set('sweep', swept)
        void swept.then(() => {
          under_way.delete('sweep')
          if (stop !== undefined) again()
        })
      })
    }
    again()
  }

  async function close(): Promise<void> {
    stop?.()
    stop = undefined
    await settled()
  }

  /** Resolves when what this node took up is done. */
  async function settled(): Promise<void> {
    while (under_way.size > 0) await Promise.allSettled(under_way.values())
  }

  /** How many events wait for a person, because what follows from them was given up. */
  const deadLetters = () => store.collection.countDocuments({ 'dead_letter.at': { $gte: new Date(0) } }, { limit: MOST_COUNTED })

  return { deadLetters, takeUp, sweep, start, close, settled }
}

export type Reactors = ReturnType<typeof createReactors>

/** The tables of several features as one: each reacts in the order in which they stand here. */
export function mergeReactors(...tables: ReactorTable[]): ReactorTable {
  const merged: Record<string, ReactorTable[keyof ReactorTable]> = {}
  for (const table of tables) {
    for (const [type, reactors] of Object.entries(table)) merged[type] = [...(merged[type] ?? []), ...(reactors ?? [])]
  }
  return merged
}
