import { type EventStore, NEXT_AT_ONCE, type StoredEvent } from '../store/event-store.ts'
import type { Entry, Section } from './batch.ts'
import { letGo } from './holds.ts'
import { keyOf, type Stream } from './stream.ts'
import { answerKnownKey, type Submission } from './submission.ts'

export interface ConflictOptions {
  store: EventStore
  findKey(stream: Stream, submission: Submission): Promise<StoredEvent | undefined>
  takeIn(stream: Stream, events: readonly StoredEvent[]): void
  /** Decided anew in the next commit. */
  requeue(stream: Stream, entries: Entry[]): void
  retryLater(stream: Stream, entries: Entry[]): void
  abandon(stream: Stream, entries: readonly Entry[], cause: unknown): void
  /** Asks until the database answers; a fault of ours is thrown. */
  persistently<T>(what: string, ask: () => Promise<T>): Promise<T>
}

/** Streams that are looked at behind the one that lost. */
const MOST_LOOKED_AT = 64
const READ_AT_ONCE = 5_000

/**
 * What follows when the insert stopped because a place or a key is taken. Another node that wrote to one room wrote, as a rule, to
 * others in the same moment, so all that was not tried is looked at in one read: to try room after room would be a commit for each.
 */
export function createConflicts(options: ConflictOptions) {
  const { store, findKey, takeIn, requeue, retryLater, abandon, persistently } = options

  /** Answers the sections that nobody has overtaken: they go again, byte for byte. */
  return async function afterConflict(lost: Section, behind: readonly Section[]): Promise<Section[]> {
    const news = await catchUp(lost, behind)
    if (news === undefined) return [...behind]
    if (fold(lost, news)) {
      if (isOvertaken(lost)) goAgain(lost)
      else await answerKeys(lost)
    }
    return behind.filter((section) => {
      if (!fold(section, news)) return false
      const isBehind = isOvertaken(section)
      if (isBehind) goAgain(section)
      return !isBehind
    })
  }

  /** What the bus has told already is not asked for again. */
  async function catchUp(lost: Section, behind: readonly Section[]): Promise<Map<string, StoredEvent[]> | undefined> {
    const unknown = [lost, ...behind.slice(0, MOST_LOOKED_AT)].filter((section) => !isOvertaken(section))
    const places = unknown.map(({ stream }) => ({ stream: stream.id, after: stream.head }))
    if (places.length === 0) return new Map()
    try {
      return await persistently('read after a conflict', () => readNews(places))
    } catch (cause) {
      abandon(lost.stream, lost.entries, cause)
      return undefined
    }
  }

  async function readNews(places: { stream: string; after: number }[]): Promise<Map<string, StoredEvent[]>> {
    const news = await store.readNext(places)
    for (const [stream, events] of news) {
      const after = events.at(-1)?.seq
      if (after === undefined || events.length < NEXT_AT_ONCE) continue
      news.set(stream, [...events, ...(await store.read(stream, { after, limit: READ_AT_ONCE }))])
    }
    return news
  }

  /** False when the stream had to be dropped. */
  function fold({ stream, entries }: Section, news: ReadonlyMap<string, StoredEvent[]>): boolean {
    try {
      takeIn(stream, news.get(stream.id) ?? [])
      return true
    } catch (cause) {
      abandon(stream, entries, cause)
      return false
    }
  }

  /** Its place is taken, which says enough. A key that is known and not near is found at the next try, when only the key is taken. */
  function goAgain({ stream, entries }: Section): void {
    const undecided = unanswered(
      stream,
      entries,
      entries.map(({ submission }) => stream.places.get(keyOf(submission.actor.id, submission.key))),
    )
    if (undecided.length === entries.length) stream.conflicts++
    requeue(stream, undecided)
  }

  /** Its place is free, so a key is known; or what is there is not seen yet. */
  async function answerKeys({ stream, entries }: Section): Promise<void> {
    try {
      const ask = () => Promise.all(entries.map(({ submission }) => findKey(stream, submission)))
      const undecided = unanswered(stream, entries, await persistently('look keys up', ask))
      if (undecided.length < entries.length) return requeue(stream, undecided)
      stream.conflicts++
      retryLater(stream, undecided)
    } catch (cause) {
      abandon(stream, entries, cause)
    }
  }
}

/** Those whose key the log does not know; the others are answered. */
function unanswered(stream: Stream, entries: Entry[], keys: readonly (StoredEvent | undefined)[]): Entry[] {
  return entries.filter((entry, at) => {
    const stored = keys[at]
    if (stored === undefined) return true
    letGo(stream, entry.submission)
    answerKnownKey(entry.submission, stored, entry.kind === 'refusal' ? entry.error : entry.refuse)
    return false
  })
}

/** Whether another writer is known to have taken a place that the section was decided for. */
function isOvertaken({ stream, entries }: Section): boolean {
  const first = entries.find((entry) => entry.kind === 'event')
  return first !== undefined && first.document.seq <= stream.head
}
