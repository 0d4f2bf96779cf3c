import { backoff } from '../link/backoff.ts'
import { type Clock, pause } from '../link/clock.ts'
import type { Ask } from '../link/link.ts'
import { ownRefusal, RefusedError, toError } from '../refused-error.ts'

/** How many chunks are on their way at once. More would only fill buffers: the hub handles them one after the other. */
const WINDOW = 16
/** A producer further ahead than this waits. */
const AHEAD = 64
/** A chunk with only escapes takes six bytes of JSON for each unit, and a frame may have 256 KB. */
const CHUNK_UNITS = 32_768
const MAX_STALLS = 8

export interface ChunkSenderOptions {
  call_id: string
  ask: Ask
  clock: Clock
  /** Resolves when there is a connection again; rejects when there will be none. */
  live: () => Promise<void>
  /** Aborted when nobody wants the chunks any more. */
  signal: AbortSignal
}

/**
 * Sends the chunks of one call in order, from 1. All are kept until the call ends (a stream has a limit), so that it can go back to
 * any place that the hub asks for.
 */
export class ChunkSender {
  readonly #options: ChunkSenderOptions
  readonly #chunks: string[] = []
  #acked = 0
  /** What was sent once keeps its place and text, for it may have been saved. */
  #sent = 0
  #stalls = 0
  #fault: RefusedError | undefined
  #sending: Promise<void> | undefined

  constructor(options: ChunkSenderOptions) {
    this.#options = options
  }

  /** Takes a chunk and resolves when the next one is welcome. Rejects when the hub refuses the stream for good. */
  async push(text: string): Promise<void> {
    for (const chunk of split(text)) this.#add(chunk)
    this.#sending ??= this.#send()
    while (this.#chunks.length - this.#acked > AHEAD) await this.#sending
    if (this.#fault) throw this.#fault
  }

  /** Resolves when the hub has every chunk. */
  async flush(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending
    if (this.#fault) throw this.#fault
  }

  /** Behind a window that waits already, pieces are joined: each chunk is a frame, and of those a connection may send only so many in a second. */
  #add(chunk: string): void {
    const waiting = this.#chunks.length - Math.max(this.#sent, this.#acked)
    const last = this.#chunks.at(-1) ?? ''
    if (waiting > WINDOW && last.length + chunk.length <= CHUNK_UNITS) this.#chunks[this.#chunks.length - 1] = last + chunk
    else this.#chunks.push(chunk)
  }

  async #send(): Promise<void> {
    try {
      while (this.#acked < this.#chunks.length && !this.#isOver()) await this.#sendWindow()
    } catch (thrown) {
      this.#fault = thrown instanceof RefusedError ? thrown : ownRefusal('ANSWER_INVALID', toError(thrown).message, { cause: thrown })
    }
    this.#sending = undefined
    if (this.#isOver()) this.#acked = this.#chunks.length
  }

  #isOver(): boolean {
    return this.#fault !== undefined || this.#options.signal.aborted
  }

  async #sendWindow(): Promise<void> {
    const { call_id, ask } = this.#options
    const from = this.#acked
    const window = this.#chunks.slice(from, from + WINDOW)
    this.#sent = Math.max(this.#sent, from + window.length)
    const answers = await Promise.allSettled(
      window.map((chunk, index) => ask('agent.tool.stream', { call_id, seq: from + index + 1, chunk })),
    )
    for (const answer of answers) {
      if (answer.status === 'rejected') return this.#onRefusal(answer.reason)
      this.#acked += 1
      this.#stalls = 0
    }
  }

  async #onRefusal(thrown: unknown): Promise<void> {
    if (!(thrown instanceof RefusedError)) throw thrown
    this.#stalls += 1
    const next_seq = thrown.facts.next_seq
    if (thrown.code === 'CHUNK_OUT_OF_ORDER' && typeof next_seq === 'number') {
      const isProgress = next_seq - 1 > this.#acked
      this.#acked = Math.min(Math.max(0, next_seq - 1), this.#chunks.length)
      if (isProgress) this.#stalls = 0
      if (this.#stalls < MAX_STALLS) return
    }
    if (thrown.code === 'NOT_CONNECTED') {
      this.#stalls = 0
      return this.#options.live()
    }
    if (thrown.retry !== 'later') throw thrown
    const { clock } = this.#options
    await pause(clock, backoff({ attempt: this.#stalls, random: clock.random(), retry_after_ms: thrown.retry_after_ms }))
  }
}

/** Pieces of at most `CHUNK_UNITS`, never through the middle of a character. The empty text is no chunk. */
function split(text: string): string[] {
  const pieces: string[] = []
  for (let start = 0; start < text.length; ) {
    let end = Math.min(start + CHUNK_UNITS, text.length)
    const last = text.charCodeAt(end - 1)
    const isHalf = end < text.length && last >= 0xd800 && last <= 0xdbff
    if (isHalf) end -= 1
    pieces.push(text.slice(start, end))
    start = end
  }
  return pieces
}
