import type { RoomView } from '../../../shared/protocol/index.ts'
import { emptyRoom, evolve } from '../../../shared/rules/evolve.ts'
import { firstChain, nextChain } from '../../core/seal.ts'
import type { StoredEvent } from '../store/event-store.ts'
import type { Section } from './batch.ts'
import type { Hold } from './holds.ts'
import type { Submission } from './submission.ts'

/** How many of the newest events a node keeps at hand: a reconnect after a short cut is served from memory. */
export const HOT_TAIL = 512
const MOST_TAIL_BYTES = 2 * 1024 * 1024

/** One stream as this node knows it: folded to `head`, all of it committed. */
export interface Stream {
  readonly id: string
  head: number
  chain: string
  room: RoomView
  /** The newest events, in order, up to `head`. */
  tail: StoredEvent[]
  tail_bytes: number
  /** The places of the tail's keys, by `keyOf`. */
  places: Map<string, StoredEvent>
  /** Frames that wait for the next commit, in order of arrival. */
  queue: Submission[]
  /** By sender: the frame of his that may come back to the queue, and those behind it. */
  holds: Map<string, Hold>
  /** Lost races in a row. From the second on, the stream gets an insert of its own. */
  conflicts: number
  /** Its part of the commit under way: a node must not forget it now, or it would publish twice. */
  committing: Section | undefined
  /** Grows when events of another writer are folded: what was refused before may have been refused in error. */
  others: number
  used_at: number
  /** It does not fold, or cannot be trusted: nothing more is told of it, and another takes its place. */
  isDropped: boolean
}

export function emptyStream(id: string): Stream {
  return {
    id,
    head: 0,
    chain: firstChain(id),
    room: emptyRoom,
    tail: [],
    tail_bytes: 0,
    places: new Map(),
    queue: [],
    holds: new Map(),
    conflicts: 0,
    committing: undefined,
    others: 0,
    used_at: 0,
    isDropped: false,
  }
}

export function keyOf(by_id: string, key: string): string {
  return `${by_id}\n${key}`
}

/** Whether the tail holds every key of the stream, so that a key which is not there is new. */
export function knowsAllKeys(stream: Stream): boolean {
  return stream.tail.length === stream.head
}

/**
 * Folds events behind the head; those it has already are passed over. Answers the ones that were new. Throws RangeError on a hole, and
 * on an event that is not tied to the one before it: the log lost or changed one that this node has.
 */
export function fold(stream: Stream, events: readonly StoredEvent[]): StoredEvent[] {
  const news = events.filter(({ seq }) => seq > stream.head)
  for (const stored of news) {
    // One's own was tied to the head when it was made.
    if (!stored.mine && stored.event.chain !== nextChain(stream.chain, stored.digest)) {
      throw new RangeError(`event ${stored.event.seq} is not tied to ${stream.head}`)
    }
    stream.room = evolve(stream.room, stored.event)
    stream.head = stored.event.seq
    stream.chain = stored.event.chain
    stream.tail.push(stored)
    stream.tail_bytes += stored.bytes
    stream.places.set(keyOf(stored.event.by.id, stored.event.key), stored)
  }
  cutTail(stream)
  return news
}

/** Cuts in blocks, for a shift per event would move the whole tail each time: by count, and by bytes, for an event may be large. */
function cutTail(stream: Stream): void {
  if (stream.tail.length <= HOT_TAIL * 2 && stream.tail_bytes <= MOST_TAIL_BYTES) return
  let cut = Math.max(stream.tail.length - HOT_TAIL, 0)
  let bytes = stream.tail.slice(cut).reduce((sum, stored) => sum + stored.bytes, 0)
  for (; cut < stream.tail.length - 1 && bytes > MOST_TAIL_BYTES / 2; cut++) bytes -= stream.tail[cut]?.bytes ?? 0
  for (const old of stream.tail.splice(0, cut)) stream.places.delete(keyOf(old.event.by.id, old.event.key))
  stream.tail_bytes = bytes
}

/** What the tail holds behind a place, or undefined when it does not reach back so far. */
export function fromTail(stream: Stream, after: number, limit: number): StoredEvent[] | undefined {
  const first = stream.tail[0]?.event.seq ?? stream.head + 1
  if (after + 1 < first) return after >= stream.head ? [] : undefined
  return stream.tail.slice(after + 1 - first, after + 1 - first + limit)
}
