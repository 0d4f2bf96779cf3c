import { ParleyError } from '../../../shared/protocol/index.ts'
import type { EventStore, StoredEvent } from '../store/event-store.ts'
import type { InsertOutcome } from '../store/insert-outcome.ts'
import { type Annotate, decideSection, documentsOf, type Entry, MOST_BYTES_PER_COMMIT, MOST_PER_COMMIT, type Section } from './batch.ts'
import { createConflicts } from './conflicts.ts'
import { letGo, takeHeld } from './holds.ts'
import { asRefusal, createRefusals, type RefusalOptions } from './refusals.ts'
import { fold, type Stream } from './stream.ts'
import type { Moment, Submission } from './submission.ts'

export interface CommitterOptions extends Omit<RefusalOptions, 'release'> {
  store: EventStore
  annotate: Annotate
  moment(): Moment & { salt: string }
  /** Called in the order of the log, once for each event that this node did not have, after its writer was answered. */
  publish(stream: Stream, news: StoredEvent[]): void
  /** The node's picture of the stream is wrong (a hole, a failed fold) or empty: it must be dropped and read again. */
  forget(stream: Stream): void
  onTrouble(what: string, cause: unknown): void
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

/**
 * Writes the queues of all streams: one commit under way at a time, and it takes every stream that has frames. The commit under way
 * is the linger, so there is no timer. `seq` is the compare-and-swap; a lost reply is looked up, never guessed. A fault in one stream
 * concerns that stream alone.
 */
export function createCommitter(options: CommitterOptions) {
  const { store } = options
  const release = (stream: Stream, submission: Submission) => {
    if (letGo(stream, submission)) wake(stream)
  }
  const refusals = createRefusals({ ...options, release })
  const afterConflict = createConflicts({ store, findKey: refusals.findKey, takeIn, requeue, retryLater, abandon, persistently })
  const dirty = new Map<string, Stream>()
  const resting = new Set<Stream>()
  const holding = new Set<Stream>()
  let running: Promise<void> | undefined
  let untilDecided: PromiseWithResolvers<void> | undefined
  let wasContended = false
  let unanswered = 0

  function wake(stream: Stream): void {
    dirty.set(stream.id, stream)
    running ??= run()
  }

  async function run(): Promise<void> {
    // One turn of the event loop, so that frames that arrived together are committed together.
    await new Promise(setImmediate)
    let carried: Section[] = []
    while (dirty.size > 0 || carried.length > 0) {
      if (carried.length === 0) tellDecided()
      const sections = carried.length > 0 ? carried : takeSections()
      try {
        carried = await commit(sections)
      } catch (cause) {
        carried = []
        for (const section of sections) abandon(section.stream, section.entries, cause)
      }
      for (const { stream } of sections) {
        stream.committing = carried.find((section) => section.stream === stream)
        // What does not exist is not kept: anyone can ask for a random id.
        if (stream.head === 0 && stream.queue.length === 0 && stream.committing === undefined) options.forget(stream)
      }
    }
    // In the same step as the last look at `dirty`: a frame that came between the two would wait for the next one.
    running = undefined
    tellDecided()
  }

  /** What this node thinks of the stream cannot be trusted: these frames are told so, it is read anew, and those that only waited go there. */
  function abandon(stream: Stream, entries: readonly Entry[], cause: unknown): void {
    options.onTrouble(`stream ${stream.id} is read anew`, cause)
    for (const { submission } of entries) submission.reject(cause)
    dirty.delete(stream.id)
    options.forget(stream)
    stream.isDropped = true
    for (const submission of [...takeHeld(stream), ...stream.queue.splice(0)]) options.again(submission)
  }

  /** Every stream that has frames. Those that lost twice in a row go by themselves, turn about with the others, so that neither wait for ever. */
  function takeSections(): Section[] {
    const [calm, contended] = [[...dirty.values()].filter(isCalm), [...dirty.values()].filter((stream) => !isCalm(stream))]
    wasContended = contended.length > 0 && (calm.length === 0 || !wasContended)
    const streams = wasContended ? contended.sort((a, b) => b.conflicts - a.conflicts) : calm.sort((a, b) => a.conflicts - b.conflicts)
    const room = { events: MOST_PER_COMMIT, bytes: MOST_BYTES_PER_COMMIT }
    const sections = streams.map((stream) => decideSection(stream, room, options.annotate, options.moment))
    for (const section of sections) {
      const { stream } = section
      dirty.delete(stream.id)
      stream.committing = section
      if (stream.holds.size > 0) holding.add(stream)
      // Behind the others, so that a busy room cannot keep a quiet one waiting.
      if (stream.queue.length > 0) dirty.set(stream.id, stream)
    }
    return sections
  }

  /** Answers the sections that must go first in the next commit, byte for byte. */
  async function commit(sections: Section[]): Promise<Section[]> {
    const documents = documentsOf(sections)
    const outcome: InsertOutcome = documents.length === 0 ? { state: 'committed' } : await store.insert(documents)
    if (outcome.state === 'unknown' || outcome.state === 'refused') {
      options.onTrouble(outcome.state === 'unknown' ? 'no answer to a commit' : 'the store refused an event', outcome.cause)
      const missing = await findOut(sections)
      if (outcome.state === 'refused' && startsAt(missing, find(sections, outcome.index)))
        return leaveOut(missing, { ...outcome, index: 0 })
      unanswered = documentsOf(missing).length < documents.length ? 0 : unanswered + 1
      // It answers reads and takes no writes (a full disk, a fail-over): it must not be asked in a hot loop.
      if (unanswered > 0) await pause(FIRST_PAUSE_MS * 2 ** Math.min(unanswered, 6))
      return missing
    }
    unanswered = 0
    if (outcome.state === 'duplicate') return goOnBehind(sections, outcome.index)
    if (outcome.state === 'unsendable') {
      options.onTrouble('an event cannot be sent', outcome.cause)
      return leaveOut(sections, outcome)
    }
    for (const section of sections) settle(section, section.entries.length)
    return []
  }

  /** A place or a key is taken: what is before it is committed, what is behind it was not tried. */
  async function goOnBehind(sections: Section[], index: number): Promise<Section[]> {
    const { at, section, stop } = find(sections, index)
    for (const done of sections.slice(0, at)) settle(done, done.entries.length)
    if (!settle(section, stop)) return sections.slice(at + 1)
    return afterConflict({ stream: section.stream, entries: section.entries.slice(stop) }, sections.slice(at + 1))
  }

  /** The document at `index` is not there and never will be: it is refused, the frames of its stream behind it move up, and all others go again. */
  function leaveOut(sections: Section[], { index, cause }: { index: number; cause: unknown }): Section[] {
    const { at, section, stop } = find(sections, index)
    const [refused, ...rest] = section.entries.slice(stop)
    refused?.submission.reject(new Error('the store refused the event', { cause }))
    requeue(section.stream, rest)
    const before = stop === 0 ? [] : [{ stream: section.stream, entries: section.entries.slice(0, stop) }]
    return [...sections.slice(0, at), ...before, ...sections.slice(at + 1)]
  }

  /** Refused by the index, and nothing there yet that says why: the stream is tried again a little later, and the others go on. */
  function retryLater(stream: Stream, entries: Entry[]): void {
    stream.queue.unshift(...entries.map(({ submission }) => submission))
    resting.add(stream)
    void pause(FIRST_PAUSE_MS * Math.min(stream.conflicts, 20) * Math.random()).then(() => {
      resting.delete(stream)
      if (stream.queue.length > 0) wake(stream)
    })
  }

  /** No reply: nobody is answered before the log itself has said what is there. The rest is sent again byte for byte. */
  async function findOut(sections: Section[]): Promise<Section[]> {
    const ids = documentsOf(sections).map(({ _id }) => _id)
    const there = await persistently('look up a commit', () => store.digestsById(ids))
    const missing: Section[] = []
    for (const section of sections) {
      const stop = section.entries.findIndex((entry) => entry.kind === 'event' && there.get(entry.document._id) !== entry.document.digest)
      const folds = settle(section, stop === -1 ? section.entries.length : stop)
      if (folds && stop !== -1) missing.push({ stream: section.stream, entries: section.entries.slice(stop) })
    }
    return missing
  }

  /** The first entries of the section are in the log: answer each, in order, then publish. False when the stream had to be dropped. */
  function settle({ stream, entries }: Section, count: number): boolean {
    const done = entries.slice(0, count)
    const events = done.flatMap((entry) => (entry.kind === 'event' ? entry : []))
    if (events.length > 0) stream.conflicts = 0
    let news: StoredEvent[]
    try {
      news = fold(
        stream,
        events.map(({ stored }) => stored),
      )
    } catch (cause) {
      abandon(stream, entries, cause)
      return false
    }
    for (const { submission, stored, refuse } of events) {
      if (refuse === undefined) submission.resolve({ stored, duplicate: false })
      else submission.reject(refuse)
    }
    publish(stream, news)
    for (const entry of done) if (entry.kind === 'refusal') refusals.refuse(stream, entry)
    return true
  }

  /** Takes in what others wrote. Throws when the stream does not fold, and then it is dropped. */
  function advance(stream: Stream, events: readonly StoredEvent[]): void {
    try {
      takeIn(stream, events)
    } catch (cause) {
      abandon(stream, [], cause)
      throw cause
    }
  }

  function takeIn(stream: Stream, events: readonly StoredEvent[]): void {
    const news = fold(
      stream,
      events.map((stored) => ownOf(stream.committing, stored) ?? stored),
    )
    if (news.some(({ mine }) => !mine)) stream.others++
    publish(stream, news)
  }

  function publish(stream: Stream, news: StoredEvent[]): void {
    // What a dropped one brings to an end is told by the one that is read anew.
    if (news.length === 0 || stream.isDropped) return
    try {
      options.publish(stream, news)
    } catch (cause) {
      // It is committed and acknowledged; who missed it sees a hole, and reads it from the log.
      options.onTrouble('events were not published', cause)
    }
  }

  function requeue(stream: Stream, entries: Entry[]): void {
    stream.queue.unshift(...entries.map(({ submission }) => submission))
    if (stream.queue.length > 0) dirty.set(stream.id, stream)
  }

  /** Asks until the database answers: the committer can do nothing else meanwhile that would be right. A fault of ours is thrown. */
  async function persistently<T>(what: string, ask: () => Promise<T>): Promise<T> {
    for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
      try {
        return await ask()
      } catch (cause) {
        if (!(asRefusal(cause) instanceof ParleyError)) throw cause
        options.onTrouble(what, cause)
        await pause(wait)
      }
    }
  }

  /** Resolves when everything handed over has been answered. */
  async function flush(): Promise<void> {
    while (running !== undefined || resting.size > 0 || isHolding()) await (running ?? pause(FIRST_PAUSE_MS))
  }

  /** Resolves when what was decided up to now is in the log, or will never be. What waits is decided later, on what holds then. */
  async function decided(): Promise<void> {
    if (running === undefined) return
    untilDecided ??= Promise.withResolvers()
    await untilDecided.promise
  }

  function tellDecided(): void {
    untilDecided?.resolve()
    untilDecided = undefined
  }

  function isHolding(): boolean {
    for (const stream of holding) if (stream.holds.size === 0) holding.delete(stream)
    return holding.size > 0
  }

  return { wake, advance, flush, decided }
}

function isCalm(stream: Stream): boolean {
  return stream.conflicts < 2
}

// A real wait even under a hand-moved clock: it is the database's pace, not the product's time.
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Where the nth document (from 0) of the commit stands. */
function find(sections: readonly Section[], nth: number): { at: number; section: Section; stop: number } {
  let left = nth
  for (const [at, section] of sections.entries()) {
    for (const [stop, { kind }] of section.entries.entries()) if (kind === 'event' && left-- === 0) return { at, section, stop }
  }
  throw new RangeError(`the commit has no document ${nth}`)
}

/** Whether the first event that is not in the log is the one that was found. */
function startsAt([first]: readonly Section[], { section, stop }: { section: Section; stop: number }): boolean {
  return first !== undefined && first.entries[0] === section.entries[stop]
}

/** This node's own event, when its commit is seen in the log before its answer came. */
function ownOf(section: Section | undefined, { digest }: StoredEvent): StoredEvent | undefined {
  for (const entry of section?.entries ?? []) if (entry.kind === 'event' && entry.stored.digest === digest) return entry.stored
  return undefined
}
