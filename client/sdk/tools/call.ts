import type { WireEvent } from '../../../shared/protocol/index.ts'
import { callStateAfter } from '../../../shared/rules/call-machine.ts'
import { ownRefusal, RefusedError, toError } from '../refused-error.ts'
import type { ChunkSink } from '../room/room-sync.ts'
import type { Call, EventsOptions, RoomEvent } from '../types.ts'
import { CallError, type CallOutcome } from './call-error.ts'

export interface CallOptions {
  /** Settles when the hub recorded the request. */
  requested: Promise<{ call_id: string; seq: number }>
  events: (options: EventsOptions) => AsyncIterable<RoomEvent>
  watch: (call_id: string, sink: ChunkSink) => () => void
  /** The whole streamed text of the ended call. */
  streamedText: (call_id: string) => Promise<string>
  cancel: (call_id: string, reason?: string) => Promise<unknown>
  signal: AbortSignal | undefined
  onProblem: (error: Error) => void
}

/** Follows one call through the log, so that a lost connection or a lost acknowledgement changes nothing about its one outcome. */
export function followCall<Output>({ requested, events, watch, streamedText, cancel, signal, onProblem }: CallOptions): Call<Output> {
  const chunks = new ChunkQueue()
  const outcome = follow()
  // A call that nobody awaits is no fault of the process.
  outcome.catch(() => undefined)
  if (signal?.aborted) cancelQuietly()
  else signal?.addEventListener('abort', cancelQuietly, { once: true })

  return {
    requested,
    result: () => outcome,
    cancel: async (reason) => {
      const { call_id } = await requested
      await cancel(call_id, reason)
    },
    [Symbol.asyncIterator]: () => chunks.read(),
  }

  async function follow(): Promise<Output> {
    let unwatch: (() => void) | undefined
    try {
      const { call_id, seq } = await requested
      unwatch = watch(call_id, chunks)
      const event = await outcomeOf(call_id, seq)
      void completeStream(call_id, partsOf(event))
      return outputOf(event, call_id) as Output
    } catch (thrown) {
      chunks.end(undefined)
      throw thrown
    } finally {
      unwatch?.()
      signal?.removeEventListener('abort', cancelQuietly)
    }
  }

  async function outcomeOf(call_id: string, seq: number): Promise<WireEvent> {
    // A refused input is recorded as the outcome at once: then this place is the outcome's own.
    for await (const event of events({ since: seq - 1 })) {
      if (event.type === 'room.reset') throw ownRefusal('ROOM_RESET')
      if (isOutcome(event) && event.data.call_id === call_id) return event
    }
    throw ownRefusal('ROOM_LEFT')
  }

  /** Chunks that were sent while there was no connection are fetched; the outcome does not wait for them. */
  async function completeStream(call_id: string, parts: number): Promise<void> {
    try {
      if (chunks.next_seq <= parts) chunks.catchUp(await streamedText(call_id), parts + 1)
    } catch (thrown) {
      onProblem(toError(thrown))
    }
    chunks.end(parts)
  }

  function cancelQuietly(): void {
    requested
      .then(({ call_id }) => cancel(call_id, 'The caller canceled.'))
      .catch((thrown: unknown) => {
        // It ended first, or was never made: there is nothing to cancel.
        const isMoot = thrown instanceof RefusedError && thrown.retry === 'never'
        if (!isMoot) onProblem(toError(thrown))
      })
  }
}

type OutcomeEvent = Extract<WireEvent, { data: { call_id: string } }>

/** Where the event brought its call, when that is for good. */
function endOf({ type }: WireEvent): CallOutcome | 'succeeded' | undefined {
  const state = callStateAfter(type)
  return state === 'requested' || state === 'approved' || state === 'running' ? undefined : state
}

const isOutcome = (event: WireEvent): event is OutcomeEvent => endOf(event) !== undefined

function partsOf(event: WireEvent): number {
  return 'data' in event && 'stream' in event.data ? (event.data.stream?.parts ?? 0) : 0
}

function outputOf(event: WireEvent, call_id: string): unknown {
  if (event.type === 'call.succeeded') return event.data.output
  const end = endOf(event)
  const outcome = end === undefined || end === 'succeeded' ? 'failed' : end
  const { code, message } = errorOf(event) ?? { code: outcome.toUpperCase(), message: `The call was ${outcome}.` }
  throw new CallError({ outcome, code, message, call_id, seq: event.seq })
}

function errorOf(event: WireEvent): { code: string; message: string } | undefined {
  switch (event.type) {
    case 'call.failed':
    case 'call.canceled':
    case 'call.timed_out':
    case 'call.abandoned':
      return event.data.error
    case 'call.denied':
      return event.data.reason === undefined ? undefined : { code: 'DENIED', message: event.data.reason }
    default:
      return undefined
  }
}

/** The streamed text between hub and caller: at most the stream's limit, for a stream is bounded by the hub. */
class ChunkQueue implements ChunkSink {
  #chunks: string[] = []
  #length = 0
  next_seq = 1
  #ended: { parts: number | undefined } | undefined
  #wake: (() => void) | undefined

  push({ seq, chunk }: { seq: number; chunk: string }): void {
    if (seq !== this.next_seq) return
    this.#add(chunk, seq + 1)
  }

  catchUp(text: string, next_seq: number): void {
    if (next_seq > this.next_seq) this.#add(text.slice(this.#length), next_seq)
  }

  /** `parts`: how many chunks there were; undefined when the outcome itself is not known. */
  end(parts: number | undefined): void {
    this.#ended ??= { parts }
    this.#wake?.()
  }

  async *read(): AsyncGenerator<string, void, void> {
    for (let index = 0; ; index += 1) {
      while (index >= this.#chunks.length && this.#ended === undefined) {
        await new Promise<void>((resolve) => {
          const others = this.#wake
          this.#wake = () => {
            others?.()
            resolve()
          }
        })
      }
      const chunk = this.#chunks[index]
      if (chunk === undefined) break
      yield chunk
    }
    if ((this.#ended?.parts ?? 0) >= this.next_seq) throw ownRefusal('STREAM_INCOMPLETE')
  }

  #add(chunk: string, next_seq: number): void {
    this.next_seq = next_seq
    this.#length += chunk.length
    if (chunk !== '') this.#chunks.push(chunk)
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
