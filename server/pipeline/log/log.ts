import { v7 as uuidv7 } from 'uuid'
import type { RoomView } from '../../../shared/protocol/index.ts'
import { emptyRoom, evolve } from '../../../shared/rules/evolve.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import { createBreather } from '../background/breather.ts'
import { type EventStore, eventId, isWhole, MOST_READ_BYTES, type ReadRange, type StoredEvent } from '../store/event-store.ts'
import { createFairTurns } from '../store/fair-turns.ts'
import { createSharedReads } from '../store/shared-reads.ts'
import type { SnapshotStore } from '../store/snapshot-store.ts'
import type { Annotate } from './batch.ts'
import { createCommitter } from './committer.ts'
import { createDropped } from './dropped.ts'
import { isAwaited } from './holds.ts'
import { asRefusal } from './refusals.ts'
import { createSalts } from './salts.ts'
import { createSnapshots } from './snapshots.ts'
import { emptyStream, fold, fromTail, type Stream } from './stream.ts'
import type { Committed, Draft, Submission } from './submission.ts'
import { createWaiting, defaultBounds } from './waiting.ts'

export interface LogOptions {
  store: EventStore
  snapshots: SnapshotStore
  clock: Clock
  /** The log's identity: changes only when history was lost or reset. */
  epoch: string
  annotate: Annotate
  publish(stream: string, news: StoredEvent[]): void
  /** Whether a connection of this node follows the stream: such a one is kept, or it would miss what is written meanwhile. */
  isFollowed?(stream: string): boolean
  /** A hole in what another node said is read from the log. */
  onRepair?(): void
  /** A stream was read from the store: what is at hand of its newest events. */
  onLoad?(stream: string, tail: readonly StoredEvent[]): void
  onTrouble(what: string, cause: unknown): void
  /** Smaller in tests. */
  bounds?: Partial<typeof defaultBounds>
}

export interface Page {
  events: StoredEvent[]
  /** The node's head when the page was taken. */
  head: number
}

const LAST_SEQ = 999_999_999_999
const READ_AT_ONCE = 2_000
/** Cold reads under way in all, and of one stream. Each may take some MB of memory while it is decoded. */
const COLD_READS = { at_once: 4, per_lane: 2 }
/** Streams a node keeps folded. One costs a few hundred kilobytes at most, with its hot tail. */
const MOST_STREAMS = 2_000

/** The log: the only way history changes, and the only place it is read from. */
export function createLog(options: LogOptions) {
  const { store, clock } = options
  const snapshots = createSnapshots(options)
  const streams = new Map<string, Stream>()
  const loading = new Map<string, Promise<Stream>>()
  const reading = new Map<string, Promise<StoredEvent[]>>()
  const coldReads = createFairTurns(COLD_READS)
  const bounds = { ...defaultBounds, ...options.bounds }
  const waiting = createWaiting(bounds, (draft) => {
    // Nobody waits for it any more, so it takes up no room either while the database is away.
    const stream = streams.get(draft.stream)
    for (let first = stream?.queue[0]; stream !== undefined && first?.settled && !isAwaited(stream, first); first = stream.queue[0]) {
      stream.queue.shift()?.drop()
    }
  })

  const newSalt = createSalts()
  // The events of one commit have one moment, as a rule.
  let [moment_ms, now] = [0, isoTime(0)]

  /** Reads what other writers added up to now, and publishes it here. */
  const refresh = createSharedReads({ nameOf: (id: string) => id, read: readNews })

  const dropped = createDropped({
    isFollowed: (id) => options.isFollowed?.(id) ?? false,
    read: (id, after) => readCold(id, { after, limit: READ_AT_ONCE }),
    ...{ publish: options.publish, onTrouble: options.onTrouble },
  })

  const committer = createCommitter({
    ...{ store, refresh, annotate: options.annotate, onTrouble: options.onTrouble },
    moment: () => {
      const now_ms = clock.now()
      if (now_ms !== moment_ms) [moment_ms, now] = [now_ms, isoTime(now_ms)]
      return { now, now_ms, newId: () => uuidv7({ msecs: now_ms }), salt: newSalt() }
    },
    publish: (stream, news) => {
      snapshots.takeWhenDue(stream, news)
      options.publish(stream.id, news)
    },
    forget: (stream) => {
      if (streams.get(stream.id) !== stream) return
      streams.delete(stream.id)
      dropped.add(stream)
    },
    again: openFor,
  })

  /**
   * Commits what the draft decides after the stream's head and resolves to its place. Rejects with the refusal that `decide` threw,
   * with KEY_REUSED, with OVERLOADED, or with UNAVAILABLE when the store gives no answer: the event may still be there, and the same
   * key asked again says so.
   */
  function submit(draft: Draft): Promise<Committed> {
    return waiting.take(draft, (submission) => {
      const cached = streams.get(draft.stream)
      if (cached !== undefined) return enqueue(cached, submission)
      // A load that begins now finds all that was committed before the frame came.
      submission.fresh = !loading.has(draft.stream)
      openFor(submission)
    })
  }

  function openFor(submission: Submission): void {
    open(submission.stream).then(
      (stream) => enqueue(stream, submission),
      (cause) => submission.reject(asRefusal(cause)),
    )
  }

  function enqueue(stream: Stream, submission: Submission): void {
    if (stream.isDropped) {
      // Since it was opened.
      openFor(submission)
      return
    }
    stream.used_at = clock.monotonic()
    stream.queue.push(submission)
    keep(stream)
    committer.wake(stream)
  }

  /** The stream, folded up to its head as this node knows it. Concurrent callers share one load. */
  function open(id: string): Promise<Stream> {
    const cached = streams.get(id)
    if (cached !== undefined) return Promise.resolve(cached)
    const under_way = loading.get(id) ?? load(id).finally(() => loading.delete(id))
    loading.set(id, under_way)
    return under_way
  }

  async function load(id: string): Promise<Stream> {
    const stream = emptyStream(id)
    const snapshot = await snapshots.upTo(id, LAST_SEQ)
    if (snapshot !== undefined) {
      Object.assign(stream, { head: snapshot.seq, chain: snapshot.chain, room: snapshot.view })
    }
    for (;;) {
      const events = await readCold(id, { after: stream.head, limit: READ_AT_ONCE })
      fold(stream, events)
      if (isWhole(events, READ_AT_ONCE)) break
    }
    snapshots.takeWhenFar(stream, snapshot)
    const tellMissed = await dropped.prepare(stream)
    stream.used_at = clock.monotonic()
    // What does not exist is not kept: anyone can ask for a random id.
    if (stream.head > 0) keep(stream)
    options.onLoad?.(id, stream.tail)
    tellMissed()
    return streams.get(id) ?? stream
  }

  function keep(stream: Stream): void {
    if (streams.has(stream.id)) return
    streams.set(stream.id, stream)
    if (streams.size <= MOST_STREAMS) return
    const idle = [...streams.values()]
      .filter(({ id, queue, holds, committing }) => queue.length + holds.size === 0 && !committing && !options.isFollowed?.(id))
      .sort((a, b) => a.used_at - b.used_at)
    for (const { id } of idle.slice(0, MOST_STREAMS / 10)) streams.delete(id)
  }

  async function readNews(id: string): Promise<Stream> {
    for (;;) {
      const before = await open(id)
      before.used_at = clock.monotonic()
      const events = await store.read(id, { after: before.head, limit: READ_AT_ONCE })
      // Forgotten and loaded again in between: the one that is kept is the one to go on with.
      const stream = streams.get(id) ?? before
      committer.advance(stream, events)
      if (isWhole(events, READ_AT_ONCE)) return stream
    }
  }

  /** Takes in what another node said that it wrote. What does not follow the head is read from the log itself. */
  function ingest(id: string, events: readonly StoredEvent[]): void {
    const stream = streams.get(id)
    const first = events.at(0)?.event.seq
    if (first === undefined) return
    if (stream === undefined) {
      // A room that is not kept is folded when it is asked for; one that was dropped while someone here is in it is asked for now.
      if (options.isFollowed?.(id)) mend(id)
      return
    }
    if (first <= stream.head + 1) committer.advance(stream, events)
    else mend(id)
  }

  function mend(id: string): void {
    options.onRepair?.()
    refresh(id).catch((cause: unknown) => options.onTrouble('a hole was not mended', cause))
  }

  /** The id that the next event will have, of each room that is kept, or followed and still to be read anew. */
  function nextIds(): string[] {
    const kept: [string, number][] = [...streams.values()].map(({ id, head }) => [id, head])
    return [...kept, ...dropped.places()].map(([id, head]) => eventId(id, head + 1))
  }

  /** What is not at hand, a few reads at a time, the rooms in turn: one of long messages must not hold up the others. */
  function readCold(id: string, range: ReadRange): Promise<StoredEvent[]> {
    return coldReads.run(id, () => store.read(id, range))
  }

  /** Readers of the same place at the same time share one read. */
  function sharedRead(id: string, range: ReadRange): Promise<StoredEvent[]> {
    const name = `${id} ${range.after} ${range.limit} ${range.most_bytes}`
    const under_way = reading.get(name) ?? readCold(id, range).finally(() => reading.delete(name))
    reading.set(name, under_way)
    return under_way
  }

  /**
   * The next events behind a place, up to the node's head: from memory when they are hot, else from the database, no more once they
   * have so many bytes. What the database has behind that head is not known here yet, and is told when it is folded.
   */
  async function page(id: string, after: number, limit: number, most_bytes = MOST_READ_BYTES): Promise<Page> {
    const stream = await open(id)
    const hot = fromTail(stream, after, limit)
    if (hot !== undefined) return { events: hot, head: stream.head }
    const events = await sharedRead(id, { after, limit, most_bytes })
    const { head } = streams.get(id) ?? stream
    return { events: events.filter(({ seq }) => seq <= head), head }
  }

  /** The room as it was at a place of its log, with the chain there. Many come back to one place when a node was away. */
  const roomAt = createSharedReads({ nameOf: (id: string, seq: number) => `${id} ${seq}`, read: readRoomAt })

  async function readRoomAt(id: string, seq: number): Promise<{ room: RoomView; chain: string }> {
    const breathe = createBreather()
    const stream = await open(id)
    if (seq === stream.head) return { room: stream.room, chain: stream.chain }
    const snapshot = await snapshots.upTo(id, seq)
    let { room, chain } =
      snapshot === undefined ? { room: emptyRoom, chain: emptyStream(id).chain } : { room: snapshot.view, chain: snapshot.chain }
    while (room.seq < seq) {
      const { events } = await page(id, room.seq, Math.min(seq - room.seq, READ_AT_ONCE))
      if (events.length === 0) throw new Error(`${id} ends at ${room.seq}, before ${seq}`)
      for (const { event, bytes } of events) {
        room = evolve(room, event)
        chain = event.chain
        await breathe(bytes)
      }
    }
    return { room, chain }
  }

  return {
    epoch: options.epoch,
    submit,
    open,
    refresh,
    ingest,
    nextIds,
    page,
    roomAt,
    /** The stream if this node has it folded. */
    cached: (id: string) => streams.get(id),
    waiting: waiting.count,
    /** How many streams are kept folded. */
    held: () => streams.size,
    flush: committer.flush,
    decided: committer.decided,
  }
}

export type Log = ReturnType<typeof createLog>
