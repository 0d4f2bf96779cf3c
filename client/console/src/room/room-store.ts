import { batch, computed, effect, type ReadonlySignal, signal } from '@preact/signals'
import type { RoomRole, RoomView, WireEvent } from '../../../../shared/protocol/index.ts'
import { emptyRoom } from '../../../../shared/rules/evolve.ts'
import { roomRole, seesStaffNotes } from '../../../../shared/rules/room-role.ts'
import type { Hub, RefusedError, Room } from '../../../sdk/index.ts'
import type { Me } from '../account/session.ts'
import { toRefused } from '../api.ts'
import { noteActivity } from '../contracts.ts'
import { learnNames } from '../names.ts'
import { isPageVisible } from '../page-visible.ts'
import { announce } from './announcements.ts'
import { openStore } from './open-store.ts'
import { createOutgoing, type OutgoingMessages } from './outgoing.ts'
import { foldRows, type Row } from './rows.ts'
import { sentenceOf } from './sentences.ts'
import { TimelineWindow } from './timeline-window.ts'

// So that scrolling along does not make a frame of every step.
const CURSOR_MS = 600

export type RoomStatus =
  | { state: 'joining' }
  | { state: 'open' }
  /** The hub does not let this principal in, or not any more. */
  | { state: 'refused'; error: RefusedError }

/** One open room: what the page shows of it, as signals. */
export class RoomStore {
  readonly contract_id: string
  readonly status = signal<RoomStatus>({ state: 'joining' })
  readonly view = signal<RoomView>(emptyRoom)
  readonly isLive = signal(false)
  readonly window: TimelineWindow
  readonly rows: ReadonlySignal<readonly Row[]>
  /** Why the last page of the log could not be read. */
  readonly pageError = signal<RefusedError | undefined>(undefined)
  /** The row that a link or a search result points at; a new object for each wish. */
  readonly target = signal<{ seq: number } | undefined>(undefined)
  /** The reader sees the end of the log. */
  readonly isAtEnd = signal(true)
  /** Events since the reader left the end. */
  readonly newCount = signal(0)
  readonly outgoing = signal<OutgoingMessages | undefined>(undefined)
  /** The streamed text of each call, as far as it was seen live. */
  readonly #texts = new Map<string, ReturnType<typeof signal<string>>>()
  readonly #listeners = new Set<(event: WireEvent) => void>()
  readonly #hub: Hub
  readonly #me: Me
  readonly #stops: (() => void)[] = []
  #room: Room | undefined
  #isOver = false
  #before: readonly Row[] = []
  #cursorTimer: ReturnType<typeof setTimeout> | undefined

  constructor({ hub, me, contract_id }: { hub: Hub; me: Me; contract_id: string }) {
    this.#hub = hub
    this.#me = me
    this.contract_id = contract_id
    this.window = new TimelineWindow((page) => this.#need().read(page))
    this.rows = computed(() => {
      this.#before = foldRows(this.window.events.value, this.#before)
      return this.#before
    })
    this.#stops.push(effect(() => this.#keepCursor()))
  }

  /** What this principal is to the contract; undefined until the room is known. */
  readonly role: ReadonlySignal<RoomRole | undefined> = computed(() => {
    const { contract, members } = this.view.value
    if (contract === null) return undefined
    return roomRole(this.#me, contract) ?? members.find(({ id }) => id === this.#me.id)?.role
  })

  readonly mayNote: ReadonlySignal<boolean> = computed(() => {
    const { contract } = this.view.value
    return contract !== null && (seesStaffNotes(this.#me, contract) || this.role.value === 'owner')
  })

  get room(): Room | undefined {
    return this.#room
  }

  /** Joins and shows the place that was asked for, or the end. Ends with `close`, or with a refusal. */
  async open(event: number | undefined): Promise<void> {
    if (event !== undefined) this.isAtEnd.value = false
    try {
      const room = await this.#hub.room(this.contract_id)
      if (this.#isOver) return leaveUnlessOpenAgain(room)
      this.#adopt(room)
      const { seq } = room.place
      const follows = this.#follow(room, seq)
      await this.#page(() => (event === undefined || event > seq ? this.window.openEnd(seq) : this.window.openAround(event)))
      if (event !== undefined) this.target.value = { seq: event }
      await follows
    } catch (thrown) {
      if (!this.#isOver) this.status.value = { state: 'refused', error: toRefused(thrown) }
    }
  }

  close(): void {
    this.#isOver = true
    clearTimeout(this.#cursorTimer)
    for (const stop of this.#stops.splice(0)) stop()
    this.outgoing.peek()?.stop()
    void this.#room?.leave()
  }

  /** Hears each event that comes from now on, also those that were missed while the connection was away. */
  listen(listener: (event: WireEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  textOf(call_id: string): ReadonlySignal<string | undefined> {
    const text = this.#texts.get(call_id) ?? signal<string | undefined>(undefined)
    this.#texts.set(call_id, text)
    return text
  }

  older(): Promise<void> {
    return this.#page(() => this.window.older())
  }

  newer(): Promise<void> {
    return this.#page(() => this.window.newer())
  }

  /** Shows the newest events and stays with them. */
  async toEnd(): Promise<void> {
    if (!this.window.isAttached.peek()) await this.#page(() => this.window.openEnd(this.#need().place.seq))
    batch(() => {
      this.target.value = undefined
      this.isAtEnd.value = true
    })
  }

  async toEvent(seq: number): Promise<void> {
    const { first, last } = this.window
    const isThere = seq >= first && seq <= last
    this.isAtEnd.value = false
    if (!isThere) await this.#page(() => this.window.openAround(seq))
    this.target.value = { seq }
  }

  /** Tries again what failed: the first page, or an older one. */
  retryPage(): Promise<void> {
    if (this.window.events.peek().length > 0) return this.older()
    return this.#page(() => this.window.openEnd(this.#need().place.seq))
  }

  #need(): Room {
    if (this.#room === undefined) throw new Error('the room is not joined yet')
    return this.#room
  }

  #adopt(room: Room): void {
    this.#room = room
    this.outgoing.value = createOutgoing({ hub: this.#hub, room, me_id: this.#me.id })
    this.#stops.push(room.subscribe(() => this.#onChange(room)))
    this.status.value = { state: 'open' }
    this.#onChange(room)
  }

  #onChange(room: Room): void {
    batch(() => {
      this.view.value = room.view
      this.isLive.value = room.state === 'live'
      learnNames(room.view.members)
      for (const { call_id, text } of room.view.calls) {
        if (text === undefined) continue
        const known = this.#texts.get(call_id)
        if (known === undefined) this.#texts.set(call_id, signal<string | undefined>(text))
        else known.value = text
      }
    })
  }

  async #follow(room: Room, since: number): Promise<void> {
    for await (const event of room.events({ since })) {
      if (this.#isOver) return
      if (event.type === 'room.reset') {
        this.window.clear()
        await this.#page(() => this.window.openEnd(event.seq))
      } else {
        this.#onEvent(event)
      }
    }
  }

  #onEvent(event: WireEvent): void {
    batch(() => {
      this.outgoing.peek()?.onEvent(event)
      this.window.push(event)
      if (!this.isAtEnd.peek() || !this.window.isAttached.peek()) this.newCount.value += 1
    })
    for (const listener of this.#listeners) listener(event)
    if (event.type !== 'redacted') noteActivity(this.contract_id, event.at)
    const sentence = sentenceOf(event, this.#me.id)
    if (sentence !== undefined) announce(sentence)
  }

  async #page(load: () => Promise<void>): Promise<void> {
    try {
      await load()
      this.pageError.value = undefined
    } catch (thrown) {
      this.pageError.value = toRefused(thrown)
    }
  }

  /** Tells how far was read, once the newest event was in sight for a moment. */
  #keepCursor(): void {
    const last = this.window.events.value.at(-1)?.seq
    const isSeen = this.isAtEnd.value && this.window.isAttached.value && isPageVisible.value
    if (isSeen && this.newCount.peek() > 0) this.newCount.value = 0
    clearTimeout(this.#cursorTimer)
    if (!isSeen || last === undefined) return
    this.#cursorTimer = setTimeout(() => this.#room?.setCursor(last), CURSOR_MS)
  }
}

/** Who went away and came back while it was joined has it open in another store: the sdk gives both the same room. */
function leaveUnlessOpenAgain(room: Room): void {
  if (openStore.peek()?.contract_id !== room.contract_id) void room.leave()
}
