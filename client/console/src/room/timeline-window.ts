import { signal } from '@preact/signals'
import type { WireEvent } from '../../../../shared/protocol/index.ts'

export interface Page {
  events: WireEvent[]
  head: number
  epoch: string
}

export type ReadPage = (page: { after: number; limit: number }) => Promise<Page>

const PAGE = 100
/** What is held at once. Past it the end that the reader is farther from is dropped, and read again when it comes near. */
const MOST_HELD = 3_000
const HELD_AFTER_DROP = 2_000
/** Live events kept while the reader looks at an older piece, so that the way back finds no hole. */
const MOST_KEPT_LIVE = 500

/**
 * The piece of a room's log that is on the page: gapless, and either attached to the live end or somewhere in the past. Rejections
 * of `read` reach the caller, with the window as it was.
 */
export class TimelineWindow {
  readonly events = signal<readonly WireEvent[]>([])
  /** The window ends where the log ends, and live events are put behind it. */
  readonly isAttached = signal(false)
  readonly isLoading = signal(false)
  readonly #read: ReadPage
  #live: WireEvent[] = []
  /** Counts jumps: an answer that comes after another jump is of no use. */
  #turn = 0

  constructor(read: ReadPage) {
    this.#read = read
  }

  get first(): number {
    return this.events.peek()[0]?.seq ?? 1
  }

  get last(): number {
    return this.events.peek().at(-1)?.seq ?? 0
  }

  get hasOlder(): boolean {
    return this.first > 1
  }

  /** Shows the newest page. `head`: the last event known to be there. */
  async openEnd(head: number): Promise<void> {
    await this.#jump({ after: Math.max(0, head - PAGE), limit: PAGE * 2 })
    await this.#reach(head)
  }

  async openAround(seq: number): Promise<void> {
    await this.#jump({ after: Math.max(0, seq - PAGE / 2 - 1), limit: PAGE })
    await this.#reach(seq)
  }

  /** Reads on until the event is there: of large events a page holds only some. */
  async #reach(seq: number): Promise<void> {
    const turn = this.#turn
    for (let before = -1; turn === this.#turn && this.last < seq && this.last > before; ) {
      before = this.last
      await this.newer()
    }
  }

  async older(): Promise<void> {
    const { first } = this
    if (first <= 1 || this.isLoading.peek()) return
    const older = await this.#loadUpTo(first, Math.max(0, first - 1 - PAGE))
    if (older !== undefined) this.#set([...older, ...this.events.peek()], 'first')
  }

  async newer(): Promise<void> {
    if (this.isAttached.peek() || this.isLoading.peek()) return
    const { last } = this
    const page = await this.#load({ after: last, limit: PAGE })
    if (page === undefined || (page.events[0]?.seq ?? last + 1) !== last + 1) return
    this.#set([...this.events.peek(), ...page.events], 'last')
    this.#attach(page.head)
  }

  /** A live event: behind the window when that reaches the end, else kept for the way back. */
  push(event: WireEvent): void {
    this.#live.push(event)
    if (this.#live.length > MOST_KEPT_LIVE) this.#live.splice(0, MOST_KEPT_LIVE / 2)
    if (this.isAttached.peek() && event.seq === this.last + 1) this.#set([...this.events.peek(), event], 'last')
  }

  /** Another log stands in the place of this one. */
  clear(): void {
    this.#turn += 1
    this.#live = []
    this.events.value = []
    this.isAttached.value = false
  }

  async #jump(range: { after: number; limit: number }): Promise<void> {
    this.#turn += 1
    const page = await this.#load(range)
    if (page === undefined) return
    this.events.value = page.events
    this.isAttached.value = false
    this.#attach(page.head)
  }

  /** All events between; the hub may give them in several pages. Undefined when they are not to be had. */
  async #loadUpTo(before: number, after: number): Promise<WireEvent[] | undefined> {
    const events: WireEvent[] = []
    for (let from = after; from < before - 1; from = events.at(-1)?.seq ?? from) {
      const page = await this.#load({ after: from, limit: before - 1 - from })
      if (page === undefined || page.events[0]?.seq !== from + 1) return undefined
      events.push(...page.events)
    }
    return events
  }

  /** Undefined when the reader jumped elsewhere meanwhile. */
  async #load(range: { after: number; limit: number }): Promise<Page | undefined> {
    const turn = this.#turn
    this.isLoading.value = true
    try {
      const page = await this.#read(range)
      return turn === this.#turn ? page : undefined
    } finally {
      if (turn === this.#turn) this.isLoading.value = false
    }
  }

  /** Puts the live events behind the page, when the page reaches them. */
  #attach(head: number): void {
    const { last } = this
    if (last < head) return
    const missing = this.#live.filter(({ seq }) => seq > last)
    const isGapless = missing.every(({ seq }, at) => seq === last + 1 + at)
    if (!isGapless) return
    this.isAttached.value = true
    if (missing.length > 0) this.#set([...this.events.peek(), ...missing], 'last')
  }

  #set(events: WireEvent[], grownAt: 'first' | 'last'): void {
    if (events.length <= MOST_HELD) {
      this.events.value = events
      return
    }
    if (grownAt === 'first') this.isAttached.value = false
    this.events.value = grownAt === 'first' ? events.slice(0, HELD_AFTER_DROP) : events.slice(-HELD_AFTER_DROP)
  }
}
