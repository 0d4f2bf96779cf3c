import { type Connection, type mongo, Schema } from 'mongoose'
import { type AuditType, type By, type ErrorCode, type EventType, ParleyError, type RecordedEvent } from '../../../shared/protocol/index.ts'
import type { Sealed } from '../../core/seal.ts'
import { type InsertOutcome, outcomeOf } from './insert-outcome.ts'
import { createReadPaces } from './read-paces.ts'
import { documentFromBytes, storedFromBytes, toStored, wireBytes } from './stored-event.ts'

/** Who may read an event: `staff` = staff, the owner and the provider; others get a stub in its place. */
export type Audience = 'all' | 'staff'

/** An event as it lies in the database: the canonical text, and beside it only what is queried. */
export interface EventDocument {
  /** `<stream>:<seq, 12 digits>`: the built-in unique index is the compare-and-swap, and a range of it is the log in order. */
  _id: string
  stream: string
  seq: number
  type: EventType | AuditType
  at: Date
  by: By
  key: string
  /** SHA-256 of the frame that made it, so that the same key with another payload is told apart. */
  hash: string
  audience: Audience
  json: string
  digest: string
  chain: string
  call_id?: string
  /** What the audit trail finds it by; absent where it is not of the trail. */
  facets?: string[]
  /** The frame was recorded and refused: the same key again is refused with this. Outside the digest, as what follows. */
  refused?: ErrorCode
  /** Reactors that have not done their part yet, until when a sweep has claimed them, and how often they failed. */
  pending?: string[]
  react_until?: Date
  react_attempts?: number
  /** Why the reactors were given up. A person must look. */
  dead_letter?: { at: Date; attempts: number; error: string }
}

/** That something happened to a call, and not what. */
export type CallMark = Required<Pick<EventDocument, 'stream' | 'type' | 'call_id'>>

/** An event in memory. */
export interface StoredEvent {
  /** Read from the text when it is first asked for: most readers want the text. */
  readonly event: RecordedEvent
  seq: number
  chain: string
  /** The event's canonical text, without its chain. */
  json: string
  digest: string
  audience: Audience
  hash: string
  bytes: number
  refused?: ErrorCode
  /** Written by this node: it does what follows, and tells the others. */
  mine?: true
}

/** An event as another node or the database has it. */
export type EventText = Pick<EventDocument, 'seq' | 'chain' | 'json' | 'digest' | 'audience' | 'hash' | 'refused'>

const committed: mongo.WriteConcernSettings = { w: 'majority', j: true }
const SEQ_DIGITS = 12
const MILLION_MILLION = '9'.repeat(SEQ_DIGITS)

export function eventId(stream: string, seq: number): string {
  return `${stream}:${String(seq).padStart(SEQ_DIGITS, '0')}`
}

/** Past it, an answer counts as lost: well before the senders are told UNAVAILABLE, so that the log is asked while they wait. */
const ANSWER_MS = 4_000

export interface ReadRange {
  after: number
  limit: number
  /** Once the events have so many, no more are read. */
  most_bytes?: number
}

export interface DocumentPage {
  documents: EventDocument[]
  isLast: boolean
}

/** Of one read: what a node decodes and folds in one go, whoever wrote it. */
export const MOST_READ_BYTES = 1_048_576
const BATCH_GROWS = 8
/** Of each stream, where many are asked for. */
export const NEXT_AT_ONCE = 8

/** Whether a read that was bounded by its limit alone came to the end of the log. */
export function isWhole(events: readonly StoredEvent[], limit: number): boolean {
  return events.length < limit && bytesOf(events) < MOST_READ_BYTES
}

export function bytesOf(events: readonly StoredEvent[]): number {
  return events.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** The log's collection. Mongoose connects; events are written and read by the driver as they are, without hydration. */
export function createEventStore(connection: Connection) {
  const schema = new Schema<EventDocument>({ _id: String }, { strict: false, versionKey: false, autoIndex: false, autoCreate: false })
  const collection = connection.model<EventDocument>('Event', schema, 'events').collection as unknown as mongo.Collection<EventDocument>
  const majority = { readConcern: { level: 'majority' as const } }

  const paces = createReadPaces()

  async function insert(documents: EventDocument[]): Promise<InsertOutcome> {
    try {
      await answered(collection.insertMany(documents, { ordered: true, writeConcern: committed }))
      return { state: 'committed' }
    } catch (cause) {
      return outcomeOf(cause, documents)
    }
  }

  /**
   * Events of the stream after a place, in order: so many at most, and no more once they have so many bytes. Whether there are more says
   * `isWhole`.
   */
  async function read(stream: string, range: ReadRange): Promise<StoredEvent[]> {
    const { found } = await readBatches(stream, range, async (after_id, limit) => {
      const raw = await answered(inOrder(stream, { after_id, limit }, { raw: true }).toArray())
      // The cast holds: that is what `raw` asks for.
      const all = raw as unknown as Buffer[]
      return { found: all.map(storedFromBytes), last_id: all.length > 0 ? documentFromBytes(all.at(-1) as Buffer)._id : after_id }
    })
    return found
  }

  /** The same as they lie there, for one who takes nothing in them for granted. `isLast`: the log ended with them. */
  async function readDocuments(stream: string, range: ReadRange): Promise<DocumentPage> {
    const { found, isLast } = await readBatches(stream, range, async (after_id, limit) => {
      const documents = await answered(inOrder(stream, { after_id, limit }).toArray())
      const sized = documents.map((document) => ({ document, bytes: wireBytes(String(document.json)) }))
      return { found: sized, last_id: documents.at(-1)?._id ?? after_id }
    })
    return { documents: found.map(({ document }) => document), isLast }
  }

  async function readBatches<T extends { bytes: number }>(
    stream: string,
    { after, limit, most_bytes = MOST_READ_BYTES }: ReadRange,
    readBatch: (after_id: string, limit: number) => Promise<{ found: T[]; last_id: string }>,
  ): Promise<{ found: T[]; isLast: boolean }> {
    const all: T[] = []
    let last = eventId(stream, after)
    for (let [at_once, bytes] = [paces.firstOf(last, most_bytes), 0]; ; ) {
      const wanted = Math.min(limit - all.length, at_once)
      const { found, last_id } = await readBatch(last, wanted)
      all.push(...found)
      for (const one of found) bytes += one.bytes
      last = last_id
      const isLast = found.length < wanted
      if (!isLast && all.length < limit && bytes < most_bytes) {
        // As many as fit, by the mean of those so far; and not far more than before, for the next ones may be larger.
        at_once = Math.min(Math.ceil(((most_bytes - bytes) * all.length) / bytes), at_once * BATCH_GROWS)
        continue
      }
      if (!isLast) paces.note(last, { count: all.length, bytes })
      return { found: all, isLast }
    }
  }

  function inOrder(stream: string, { after_id, limit }: { after_id: string; limit: number }, options: mongo.FindOptions = {}) {
    const range = { _id: { $gt: after_id, $lte: `${stream}:${MILLION_MILLION}` } }
    return collection
      .find(range, { ...majority, ...options, batchSize: limit })
      .sort({ _id: 1 })
      .limit(limit)
  }

  /** The next events of many streams behind their places, in order, in one query: `NEXT_AT_ONCE` of each, less where they are large. */
  async function readNext(places: readonly { stream: string; after: number }[]): Promise<Map<string, StoredEvent[]>> {
    const next = Array.from({ length: NEXT_AT_ONCE }, (_, nth) => nth + 1)
    const ids = places.flatMap(({ stream, after }) => next.map((nth) => eventId(stream, after + nth)))
    const documents = await answered(
      collection
        .find({ _id: { $in: ids } }, majority)
        .sort({ _id: 1 })
        .toArray(),
    )
    const byStream = Map.groupBy(documents, ({ stream }) => stream)
    return new Map([...byStream].map(([stream, found]) => [stream, found.map(toStored)]))
  }

  async function digestsById(ids: string[]): Promise<Map<string, string>> {
    const documents = await answered(collection.find({ _id: { $in: ids } }, { ...majority, projection: { digest: 1 } }).toArray())
    return new Map(documents.map(({ _id, digest }) => [_id, digest]))
  }

  async function byKey(stream: string, by_id: string, key: string): Promise<StoredEvent | undefined> {
    const document = await answered(collection.findOne({ stream, 'by.id': by_id, key }, majority))
    return document === null ? undefined : toStored(document)
  }

  async function head(stream: string): Promise<{ seq: number; chain: string } | undefined> {
    const range = { _id: { $gt: `${stream}:`, $lte: `${stream}:${MILLION_MILLION}` } }
    const [document] = await collection
      .find(range, { ...majority, projection: { seq: 1, chain: 1 } })
      .sort({ _id: -1 })
      .limit(1)
      .toArray()
    return document
  }

  /** Those of the events that are there, as heads of their logs. */
  async function headsById(ids: string[]): Promise<{ _id: string; seq: number; chain: string }[]> {
    return collection.find({ _id: { $in: ids } }, { ...majority, projection: { seq: 1, chain: 1 } }).toArray()
  }

  /** The streams of the events that are there. */
  async function streamsOf(ids: string[]): Promise<string[]> {
    const documents = await collection.find({ _id: { $in: ids } }, { ...majority, projection: { stream: 1 } }).toArray()
    return documents.map(({ stream }) => stream)
  }

  /** The stream of the event that asked for the call. */
  async function streamOfCall(call_id: string): Promise<string | undefined> {
    const document = await collection.findOne({ call_id }, { ...majority, projection: { stream: 1 } })
    return document?.stream
  }

  /** All events of a call, in order. */
  async function ofCall(call_id: string): Promise<StoredEvent[]> {
    const documents = await collection.find({ call_id }, majority).sort({ _id: 1 }).toArray()
    return documents.map(toStored)
  }

  /** What happened to calls, in one read, without what they were given and gave. */
  async function marksOfCalls(call_ids: string[]): Promise<CallMark[]> {
    const projection = { _id: 0, stream: 1, type: 1, call_id: 1 }
    return collection.find<CallMark>({ call_id: { $in: call_ids } }, { ...majority, projection }).toArray()
  }

  return {
    ...{ collection, insert, read, readDocuments, readNext, digestsById, byKey, head, headsById, streamsOf },
    ...{ streamOfCall, ofCall, marksOfCalls },
  }
}

export type EventStore = ReturnType<typeof createEventStore>

export function toDocument(
  stream: string,
  sealed: Sealed,
  beside: Pick<EventDocument, 'hash' | 'audience' | 'call_id' | 'facets' | 'pending' | 'refused'>,
): EventDocument {
  const { event, json, digest } = sealed
  const { seq, type, by, key, chain } = event
  return { _id: eventId(stream, seq), stream, seq, type, at: new Date(event.at), by, key, json, digest, chain, ...beside }
}

/** The answer, or UNAVAILABLE when it does not come in time: a half-open connection must not hold up every room. */
async function answered<T>(asked: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const lost = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ParleyError('UNAVAILABLE', { waited_ms: ANSWER_MS })), ANSWER_MS)
  })
  try {
    return await Promise.race([asked, lost])
  } finally {
    clearTimeout(timer)
  }
}
