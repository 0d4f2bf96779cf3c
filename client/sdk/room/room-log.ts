import type { WireEvent } from '../../../shared/protocol/index.ts'
import type { EventsPage } from '../http.ts'
import type { RefusedError } from '../refused-error.ts'
import type { RoomEvent } from '../types.ts'

/** What is kept for readers that are behind. Beyond it they fetch pages of the log, so that a slow one costs no memory. */
const KEPT_WITH_READERS = 512
/** For the first reader, which starts a moment after the join. */
const KEPT_WITHOUT = 64

export interface RoomLogOptions {
  /** A page of the log from the hub. It retries what can be retried; it rejects when reading is over. */
  fetchAfter: (after: number) => Promise<EventsPage>
  /** A page showed another epoch: the room has to find out. */
  onOtherEpoch: () => void
}

interface Reader {
  cursor: number
  generation: number
}

/** The tail of a room's log, and the readers that walk along it, each at its own pace. */
export class RoomLog {
  /** The last event that was received. */
  last = 0
  epoch = ''
  readonly #options: RoomLogOptions
  #tail: WireEvent[] = []
  readonly #readers = new Set<Reader>()
  readonly #waiting = new Set<() => void>()
  /** Counts the logs that this room has had; `#start` is where reading goes on in the present one. */
  #generation = 0
  #start = 0
  /** The generation that readers know of. */
  #told = 0
  #ended: { fault?: RefusedError } | undefined

  constructor(options: RoomLogOptions) {
    this.#options = options
  }

  /** Where the log stands when the room is joined for the first time. */
  begin({ seq, epoch }: { seq: number; epoch: string }): void {
    this.last = seq
    this.#start = seq
    this.epoch = epoch
  }

  /** Takes the next event; the caller has made sure that it is the next. */
  push(event: WireEvent): void {
    this.#tail.push(event)
    this.last = event.seq
    this.#trim()
    this.#wakeReaders()
  }

  /** Another log stands in the place of this one. */
  reset({ seq, epoch }: { seq: number; epoch: string }): void {
    this.#generation += 1
    this.#tail = []
    this.begin({ seq, epoch })
    this.#wakeReaders()
  }

  end(fault?: RefusedError): void {
    this.#ended ??= fault === undefined ? {} : { fault }
    this.#wakeReaders()
  }

  /**
   * Every event after `since`, each once and in order, until the room is left. Without `since` the first reader is told of a reset
   * that came before it: who joins from a stored place learns that the place is gone.
   */
  async *events({ since, signal }: { since?: number; signal?: AbortSignal } = {}): AsyncGenerator<RoomEvent, void, void> {
    const isUntold = since === undefined && this.#readers.size === 0
    const reader: Reader = { cursor: since ?? this.#start, generation: isUntold ? this.#told : this.#generation }
    this.#readers.add(reader)
    try {
      while (!this.#isOver(signal)) {
        if (reader.generation !== this.#generation) {
          Object.assign(reader, { cursor: this.#start, generation: this.#generation })
          this.#told = this.#generation
          yield { type: 'room.reset', seq: this.#start, epoch: this.epoch }
        } else if (reader.cursor >= this.last) {
          await this.#change(signal)
        } else {
          for (const event of await this.#after(reader)) {
            if (reader.generation !== this.#generation || this.#isOver(signal)) break
            reader.cursor = event.seq
            yield event
          }
        }
      }
    } finally {
      this.#readers.delete(reader)
    }
  }

  #isOver(signal: AbortSignal | undefined): boolean {
    if (signal?.aborted) return true
    if (this.#ended?.fault) throw this.#ended.fault
    return this.#ended !== undefined
  }

  /** The next events of a reader: one of the tail, or a page from the hub. */
  async #after(reader: Reader): Promise<WireEvent[]> {
    const first = this.#tail[0]
    const kept = first === undefined ? undefined : this.#tail[reader.cursor + 1 - first.seq]
    if (kept !== undefined) return [kept]
    const page = await this.#fetchAfter(reader.cursor)
    if (page === undefined) return []
    if (page.epoch !== this.epoch) {
      const generation = this.#generation
      this.#options.onOtherEpoch()
      if (generation === this.#generation && this.#ended === undefined) await this.#change()
      return []
    }
    return page.events.filter((event, index) => event.seq === reader.cursor + 1 + index)
  }

  /** Undefined when the room was left meanwhile: then reading ends as it does there. */
  async #fetchAfter(after: number): Promise<EventsPage | undefined> {
    try {
      return await this.#options.fetchAfter(after)
    } catch (thrown) {
      if (this.#ended === undefined) throw thrown
      return undefined
    }
  }

  #change(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', wake)
    })
  }

  #wakeReaders(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #trim(): void {
    const most = this.#readers.size === 0 ? KEPT_WITHOUT : KEPT_WITH_READERS
    const slowest = Math.min(...Array.from(this.#readers, (reader) => reader.cursor))
    const keepFrom = Math.max(this.last - most, Number.isFinite(slowest) ? slowest : 0)
    const first = this.#tail[0]?.seq ?? 0
    // In steps: cutting the front off an array moves all the rest.
    const spare = keepFrom + 1 - first
    if (spare >= KEPT_WITHOUT || spare === this.#tail.length) this.#tail.splice(0, spare)
  }
}
