import { createHash, type Hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { ParleyError, type StreamSeal } from '../../../shared/protocol/index.ts'
import type { StreamPartDocument, ToolModels } from './model.ts'

interface CallStream {
  call_id: string
  chunks: string[]
  bytes: number
  sha256: Hash
  /** How many chunks are in the database. */
  saved: number
  /** False when it holds what only another node took: it is shown here, and never a ground for an acknowledgement or a seal. */
  owned: boolean
  waiters: { seq: number; resolve(): void; reject(error: unknown): void }[]
}

export interface CallStreams {
  /** Takes the next chunk. `fresh` is false for one that it had. Refuses CALL_NOT_OPEN, CHUNK_OUT_OF_ORDER, STREAM_TOO_LARGE. */
  take(part: { call_id: string; seq: number; chunk: string; term: number }): Promise<{ fresh: boolean; saved: Promise<void> }>
  /** What the stream came to, once all of it is saved; undefined when there was none. */
  seal(call_id: string): Promise<StreamSeal | undefined>
  load(call_id: string): Promise<void>
  /** Loads it, with what other nodes have saved meanwhile. */
  reload(call_id: string): Promise<void>
  /** A chunk that another node took, for those who join here. */
  heard(part: { call_id: string; seq: number; chunk: string }): void
  textOf(call_id: string): { text: string; next_seq: number } | undefined
  /** The chunks of a short stream, to be sent again; none of a long one: who missed a part of it reads its text. */
  chunksOf(call_id: string): readonly string[]
  /** The sealed text of a call that ended, from the database. What came after the seal is not served. */
  read(call_id: string, parts: number): Promise<string>
  forget(call_id: string): void
  flush(): Promise<void>
}

const MOST_PER_SAVE = 1_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000
const GIVE_UP_MS = 10_000
const MOST_REPLAYED_BYTES = 65_536
const MOST_ENDED = 10_000
const LAST_SEQ = 999_999_999

/** The streamed output of running calls. Shown at once, acknowledged when saved: after a crash the agent sends what was not. */
export function createCallStreams({
  models,
  most_bytes,
  onTrouble,
}: {
  models: ToolModels
  most_bytes: number
  onTrouble(what: string, cause: unknown): void
}): CallStreams {
  const streams = new Map<string, CallStream>()
  /** Calls that ended not long ago: their streams are not kept again. */
  const ended = new LRUCache<string, true>({ max: MOST_ENDED })
  const loading = new Map<string, Promise<CallStream>>()
  const unsaved: { part: StreamPartDocument; stream: CallStream }[] = []
  let saving: Promise<void> | undefined

  function open(call_id: string): Promise<CallStream> {
    const known = streams.get(call_id)
    if (known !== undefined) return Promise.resolve(known)
    const under_way = loading.get(call_id) ?? fromDatabase(call_id).finally(() => loading.delete(call_id))
    loading.set(call_id, under_way)
    return under_way
  }

  /** What was only heard is not trusted: what is in the database counts. */
  async function openOwned(call_id: string): Promise<CallStream> {
    if (streams.get(call_id)?.owned === false) streams.delete(call_id)
    const stream = await open(call_id)
    stream.owned = true
    return stream
  }

  /** With what other nodes have saved behind what is known here: the agent may have gone there and come back, and the bus is lossy. */
  async function reload(call_id: string): Promise<CallStream> {
    const known = streams.get(call_id)
    if (known === undefined) return open(call_id)
    for (const { seq, chunk } of await partsAfter(call_id, known.saved)) {
      if (seq === known.chunks.length + 1) append(known, chunk)
      else if (known.chunks[seq - 1] !== chunk) return again(known)
      known.saved = Math.max(known.saved, seq)
    }
    return known
  }

  function again(stream: CallStream): Promise<CallStream> {
    drop(stream)
    return open(stream.call_id)
  }

  function drop(stream: CallStream): void {
    if (streams.get(stream.call_id) === stream) streams.delete(stream.call_id)
  }

  function heard({ call_id, seq, chunk }: { call_id: string; seq: number; chunk: string }): void {
    const stream = streams.get(call_id)
    // Not kept: whoever joins here reads it then. And what this node takes itself is not mixed with what another does.
    if (stream === undefined || (stream.owned && stream.saved < stream.chunks.length)) return
    if (seq === stream.chunks.length + 1) append(stream, chunk)
    stream.owned = false
  }

  async function fromDatabase(call_id: string): Promise<CallStream> {
    const parts = await partsAfter(call_id, 0)
    const stream: CallStream = { call_id, chunks: [], bytes: 0, sha256: createHash('sha256'), saved: 0, owned: false, waiters: [] }
    // A crash between two saves can leave a part without the one before it; the agent sends from the first that is missing.
    for (const { seq, chunk } of parts) if (seq === stream.chunks.length + 1) append(stream, chunk)
    stream.saved = stream.chunks.length
    if (!ended.has(call_id)) streams.set(call_id, stream)
    return stream
  }

  function partsAfter(call_id: string, seq: number): Promise<StreamPartDocument[]> {
    return models.parts
      .find({ _id: { $gt: partId(call_id, seq), $lte: partId(call_id, LAST_SEQ) } })
      .sort({ _id: 1 })
      .toArray()
  }

  async function take({ call_id, seq, chunk, term }: { call_id: string; seq: number; chunk: string; term: number }) {
    if (seq > (await openOwned(call_id)).chunks.length + 1) await reload(call_id)
    const stream = await openOwned(call_id)
    if (ended.has(call_id)) throw new ParleyError('CALL_NOT_OPEN', { call_id, state: 'ended' })
    const next_seq = stream.chunks.length + 1
    if (seq < next_seq) return { fresh: false, saved: savedUpTo(stream, seq) }
    if (seq > next_seq) throw new ParleyError('CHUNK_OUT_OF_ORDER', { next_seq })
    const bytes = stream.bytes + Buffer.byteLength(chunk)
    if (bytes > most_bytes) throw new ParleyError('STREAM_TOO_LARGE', { stream_bytes: most_bytes })
    append(stream, chunk)
    unsaved.push({ part: { _id: partId(call_id, seq), call_id, seq, chunk, term }, stream })
    saving ??= save()
    return { fresh: true, saved: savedUpTo(stream, seq) }
  }

  /** One write for the chunks of all calls; in their order, so that what is saved has no hole. Tried until the database answers. */
  async function save(): Promise<void> {
    await new Promise(setImmediate)
    let wait = FIRST_PAUSE_MS
    while (unsaved.length > 0) {
      const batch = unsaved.slice(0, MOST_PER_SAVE)
      try {
        const writes = batch.map(({ part }) => ({ updateOne: { filter: { _id: part._id }, update: { $setOnInsert: part }, upsert: true } }))
        const { upsertedIds } = await models.parts.bulkWrite(writes, { ordered: true, writeConcern: { w: 'majority', j: true } })
        await dropForeign(batch.filter((_, at) => !Object.hasOwn(upsertedIds, at)))
      } catch (cause) {
        onTrouble('chunks were not saved', cause)
        await new Promise((resolve) => setTimeout(resolve, wait))
        wait = Math.min(wait * 2, LONGEST_PAUSE_MS)
        continue
      }
      unsaved.splice(0, batch.length)
      for (const { part, stream } of batch) stream.saved = part.seq
      for (const stream of new Set(batch.map(({ stream }) => stream))) {
        for (const waiter of stream.waiters.filter(({ seq }) => seq <= stream.saved)) waiter.resolve()
        stream.waiters = stream.waiters.filter(({ seq }) => seq > stream.saved)
      }
    }
    // In the step that found nothing left: a chunk that comes now starts anew, and none waits between the two.
    saving = undefined
  }

  /** Another node saved these before: when they say something else, its word stands, and what is here is read anew. */
  async function dropForeign(known: typeof unsaved): Promise<void> {
    if (known.length === 0) return
    const there = await models.parts.find({ _id: { $in: known.map(({ part }) => part._id) } }).toArray()
    const chunkOf = new Map(there.map(({ _id, chunk }) => [_id, chunk]))
    for (const { part, stream } of known) if (chunkOf.get(part._id) !== part.chunk) drop(stream)
  }

  function savedUpTo(stream: CallStream, seq: number): Promise<void> {
    if (seq <= stream.saved) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const giveUp = setTimeout(() => reject(new ParleyError('UNAVAILABLE', { waited_ms: GIVE_UP_MS })), GIVE_UP_MS)
      const settle = (finish: () => void) => () => {
        clearTimeout(giveUp)
        finish()
      }
      stream.waiters.push({ seq, resolve: settle(resolve), reject: settle(() => reject(new ParleyError('UNAVAILABLE'))) })
    })
  }

  async function seal(call_id: string): Promise<StreamSeal | undefined> {
    const own = await openOwned(call_id)
    await savedUpTo(own, own.chunks.length)
    const stream = await reload(call_id)
    if (stream.chunks.length === 0) {
      streams.delete(call_id)
      return undefined
    }
    // What was taken after the look is saved all the same, and what is sealed here is in the database.
    const parts = stream.chunks.length
    const sealed = { parts, bytes: stream.bytes, sha256: stream.sha256.copy().digest('hex') }
    await savedUpTo(stream, parts)
    return sealed
  }

  async function read(call_id: string, parts: number): Promise<string> {
    const found = await models.parts
      .find({ _id: { $gte: partId(call_id, 1), $lte: partId(call_id, parts) } })
      .sort({ _id: 1 })
      .toArray()
    return found.map(({ chunk }) => chunk).join('')
  }

  function textOf(call_id: string): { text: string; next_seq: number } | undefined {
    const stream = streams.get(call_id)
    return stream === undefined || stream.chunks.length === 0
      ? undefined
      : { text: stream.chunks.join(''), next_seq: stream.chunks.length + 1 }
  }

  function chunksOf(call_id: string): readonly string[] {
    const stream = streams.get(call_id)
    return stream === undefined || stream.bytes > MOST_REPLAYED_BYTES ? [] : stream.chunks
  }

  /** The call has ended: what is being read of it for someone who came before is not kept either. */
  function forget(call_id: string): void {
    streams.delete(call_id)
    ended.set(call_id, true)
  }

  async function load(call_id: string): Promise<void> {
    await open(call_id)
  }

  async function flush(): Promise<void> {
    while (saving !== undefined) await saving
  }

  return {
    take,
    seal,
    load,
    reload: async (call_id) => void (await reload(call_id)),
    heard,
    read,
    textOf,
    flush,
    chunksOf,
    forget,
  }
}

function append(stream: CallStream, chunk: string): void {
  stream.chunks.push(chunk)
  stream.bytes += Buffer.byteLength(chunk)
  stream.sha256.update(chunk)
}

function partId(call_id: string, seq: number): string {
  return `${call_id}:${String(seq).padStart(9, '0')}`
}
