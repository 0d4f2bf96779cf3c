import { createHash, type Hash, randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type Limits, ParleyError, type StreamSeal } from '../../../../shared/protocol/index.ts'
import type { StreamPartDocument } from '../model.ts'
import { createSealing } from './sealing.ts'
import type { NewPart, StreamParts } from './stream-parts.ts'
import { createStreamWriter, type WrittenStream } from './stream-writer.ts'

interface CallStream extends WrittenStream {
  call_id: string
  chunks: string[]
  bytes: number
  sha256: Hash
  /** False when it holds what only another node took: it is shown here, and never a ground for an acknowledgement or a seal. */
  owned: boolean
  /** Another node writes the outcome: nothing may come behind this place. */
  end?: StreamPartDocument
}

/** A stream that takes nothing more until it is known whether the outcome was recorded. */
export interface SealedStream {
  /** Undefined when nothing was streamed. */
  stream: StreamSeal | undefined
  /** To be called once: an outcome that was not recorded lets the stream go on. */
  over(isRecorded: boolean): void
}

export interface CallStreams {
  /**
   * Takes the next chunk; behind the outcome that is being written, if one is. `mustRun` is asked in the very step that takes it.
   * `fresh` is false for one that it had. Refuses CALL_NOT_OPEN, CHUNK_OUT_OF_ORDER, STREAM_TOO_LARGE, and UNAVAILABLE while another
   * node writes the outcome.
   */
  take(part: NewPart, mustRun: () => void): Promise<{ fresh: boolean; saved: Promise<void> }>
  /** What the stream came to, once all of it is saved. From here on no chunk is taken: on this node, and when `everywhere` on no other. */
  seal(call_id: string, options: { everywhere: boolean }): Promise<SealedStream>
  /** Loads it, with what other nodes have saved meanwhile. */
  reload(call_id: string): Promise<void>
  /** A chunk that another node took, for those who join here. */
  heard(part: { call_id: string; seq: number; chunk: string }): void
  textOf(call_id: string): { text: string; next_seq: number } | undefined
  /** The chunks of a short stream, to be sent again; none of a long one: who missed a part of it reads its text. */
  chunksOf(call_id: string): readonly string[]
  /** The sealed text of a call that ended, from the database. What came after the seal is not served. */
  read(call_id: string, parts: number): Promise<string>
  /** The call has ended, here or on another node. */
  forget(call_id: string): void
  /** What is kept in memory. */
  held(): { streams: number; bytes: number }
  flush(): Promise<void>
}

const GIVE_UP_MS = 10_000
const MOST_REPLAYED_BYTES = 65_536
const MOST_ENDED = 10_000
/** Past it the streams that were idle longest are dropped; they lie in the database. */
const MOST_HELD_BYTES = 134_217_728
/** How often another node's chunk may come before the seal. */
const MOST_TRIES = 20

/** The streamed output of running calls. Shown at once, acknowledged when saved: after a crash the agent sends what was not. */
export function createCallStreams({
  parts: stored,
  limits,
  onTrouble,
}: {
  parts: StreamParts
  limits: Pick<Limits, 'stream_bytes' | 'stream_parts'>
  onTrouble(what: string, cause: unknown): void
}): CallStreams {
  /** The one that was used last is the last one. */
  const streams = new Map<string, CallStream>()
  /** Calls that ended not long ago: their streams are not kept again. */
  const ended = new LRUCache<string, true>({ max: MOST_ENDED })
  const loading = new Map<string, Promise<CallStream>>()
  const sealing = createSealing(GIVE_UP_MS)
  const writer = createStreamWriter<CallStream>({ parts: stored, give_up_ms: GIVE_UP_MS, onTrouble, onSaved })
  let held_bytes = 0

  function open(call_id: string): Promise<CallStream> {
    const known = streams.get(call_id)
    if (known !== undefined) {
      streams.delete(call_id)
      streams.set(call_id, known)
      return Promise.resolve(known)
    }
    const under_way = loading.get(call_id) ?? fromDatabase(call_id).finally(() => loading.delete(call_id))
    loading.set(call_id, under_way)
    return under_way
  }

  /** What was only heard is not trusted: what is in the database counts. */
  async function openOwned(call_id: string): Promise<CallStream> {
    const known = streams.get(call_id)
    if (known?.owned === false) drop(known)
    const stream = await open(call_id)
    stream.owned = true
    return stream
  }

  /** With what other nodes have saved behind what is known here: the agent may have gone there and come back, and the bus is lossy. */
  async function reload(call_id: string): Promise<CallStream> {
    const known = streams.get(call_id)
    if (known === undefined) return open(call_id)
    const { parts, end } = await stored.after(call_id, known.saved)
    for (const { seq, chunk } of parts) {
      if (seq === known.chunks.length + 1) append(known, chunk)
      else if (known.chunks[seq - 1] !== chunk) return again(known)
      known.saved = Math.max(known.saved, seq)
    }
    if (end === undefined) delete known.end
    else known.end = end
    return known
  }

  function again(stream: CallStream): Promise<CallStream> {
    drop(stream)
    return open(stream.call_id)
  }

  function drop(stream: CallStream): void {
    if (streams.get(stream.call_id) !== stream) return
    streams.delete(stream.call_id)
    held_bytes -= stream.bytes
  }

  function append(stream: CallStream, chunk: string): void {
    const bytes = Buffer.byteLength(chunk)
    stream.chunks.push(chunk)
    stream.bytes += bytes
    stream.sha256.update(chunk)
    if (streams.get(stream.call_id) === stream) held_bytes += bytes
  }

  function onSaved(saved: Iterable<CallStream>): void {
    // Something else was saved before: its word stands, and what is here is read anew.
    for (const stream of saved) if (stream.isLost) drop(stream)
    dropIdle()
  }

  function dropIdle(): void {
    if (held_bytes <= MOST_HELD_BYTES) return
    for (const stream of streams.values()) {
      if (held_bytes <= MOST_HELD_BYTES) return
      const isIdle = stream.saved === stream.chunks.length && stream.waiters.length === 0 && !sealing.has(stream.call_id)
      if (isIdle) drop(stream)
    }
  }

  function heard({ call_id, seq, chunk }: { call_id: string; seq: number; chunk: string }): void {
    const stream = streams.get(call_id)
    // Not kept: whoever joins here reads it then. And what this node takes or seals itself is not mixed with what another does.
    if (stream === undefined || (stream.owned && stream.saved < stream.chunks.length) || sealing.has(call_id)) return
    if (seq === stream.chunks.length + 1) append(stream, chunk)
    stream.owned = false
  }

  async function fromDatabase(call_id: string): Promise<CallStream> {
    const { parts, end } = await stored.after(call_id, 0)
    const stream: CallStream = {
      ...{ call_id, chunks: [], bytes: 0, sha256: createHash('sha256'), saved: 0, owned: false, isLost: false, waiters: [] },
      ...(end === undefined ? {} : { end }),
    }
    // A crash between two saves can leave a part without the one before it; the agent sends from the first that is missing.
    for (const { seq, chunk } of parts) if (seq === stream.chunks.length + 1) append(stream, chunk)
    stream.saved = stream.chunks.length
    if (ended.has(call_id)) return stream
    streams.set(call_id, stream)
    held_bytes += stream.bytes
    dropIdle()
    return stream
  }

  async function take(part: NewPart, mustRun: () => void) {
    const { call_id, seq, chunk } = part
    if (seq > (await openOwned(call_id)).chunks.length + 1) await reload(call_id)
    const stream = await openUnsealed(call_id)
    if (ended.has(call_id)) throw new ParleyError('CALL_NOT_OPEN', { call_id, state: 'ended' })
    mustRun()
    const next_seq = stream.chunks.length + 1
    if (seq < next_seq) return { fresh: false, saved: writer.savedUpTo(stream, seq) }
    if (seq > next_seq) throw new ParleyError('CHUNK_OUT_OF_ORDER', { next_seq })
    const { stream_bytes, stream_parts } = limits
    if (seq > stream_parts) throw new ParleyError('STREAM_TOO_LARGE', { stream_parts })
    if (stream.bytes + Buffer.byteLength(chunk) > stream_bytes) throw new ParleyError('STREAM_TOO_LARGE', { stream_bytes })
    append(stream, chunk)
    return { fresh: true, saved: writer.save(part, stream) }
  }

  /** When an outcome is being written, the stream as it is when that one was not recorded. */
  async function openUnsealed(call_id: string): Promise<CallStream> {
    for (let looks = 0; ; ) {
      await sealing.over(call_id)
      const stream = await openOwned(call_id)
      if (sealing.has(call_id)) continue
      if (stream.end === undefined) return stream
      drop(stream)
      // What is known of it may be old, so it is looked at anew once.
      const isBroken = looks++ === 0 || (await stored.breakSeal(stream.end))
      if (!isBroken) throw new ParleyError('UNAVAILABLE', { retry_after_ms: 1_000 })
    }
  }

  /** All that is saved by now, and behind what is being saved here. */
  async function upToDate(call_id: string): Promise<CallStream> {
    // What nobody has here, and nobody is reading, is read from the database in this very call.
    const isRead = streams.get(call_id)?.owned !== true && !loading.has(call_id)
    const own = await openOwned(call_id)
    if (isRead && own.chunks.length === own.saved) return own
    await writer.savedUpTo(own, own.chunks.length)
    return reload(call_id)
  }

  async function seal(call_id: string, { everywhere }: { everywhere: boolean }): Promise<SealedStream> {
    const letGo = sealing.begin(call_id)
    try {
      for (let tries = 0; tries < MOST_TRIES; tries++) {
        const stream = await upToDate(call_id)
        const [parts, holder] = [stream.chunks.length, randomUUID()]
        // A part of another node came first: it is in the seal.
        if (everywhere && !(await stored.sealAt(call_id, parts + 1, holder))) continue
        const sealed = parts === 0 ? undefined : { parts, bytes: stream.bytes, sha256: stream.sha256.copy().digest('hex') }
        return {
          stream: sealed,
          over: (isRecorded) => (isRecorded || !everywhere ? letGo() : unseal(call_id, { seq: parts + 1, holder, letGo })),
        }
      }
      throw new ParleyError('UNAVAILABLE', { detail: 'the stream goes on elsewhere' })
    } catch (error) {
      letGo()
      throw error
    }
  }

  function unseal(call_id: string, { seq, holder, letGo }: { seq: number; holder: string; letGo(): void }): void {
    stored
      .unsealAt(call_id, seq, holder)
      .catch((cause: unknown) => onTrouble('a stream stays sealed for a while', cause))
      .finally(letGo)
  }

  function forget(call_id: string): void {
    const stream = streams.get(call_id)
    if (stream !== undefined) drop(stream)
    ended.set(call_id, true)
  }

  function textOf(call_id: string): { text: string; next_seq: number } | undefined {
    const { chunks } = streams.get(call_id) ?? { chunks: [] }
    return chunks.length === 0 ? undefined : { text: chunks.join(''), next_seq: chunks.length + 1 }
  }

  function chunksOf(call_id: string): readonly string[] {
    const stream = streams.get(call_id)
    return stream === undefined || stream.bytes > MOST_REPLAYED_BYTES ? [] : stream.chunks
  }

  return {
    ...{ take, seal, heard, textOf, chunksOf, forget, flush: writer.flush, read: stored.read },
    reload: async (call_id) => void (await reload(call_id)),
    held: () => ({ streams: streams.size, bytes: held_bytes }),
  }
}
