import type { FrameAck, WireEvent } from '../../../shared/protocol/index.ts'
import type { EventsPage, Http } from '../http.ts'
import { backoff } from '../link/backoff.ts'
import { type Clock, pause } from '../link/clock.ts'
import { createEmitter, type Emitter } from '../link/emitter.ts'
import type { Ask } from '../link/link.ts'
import type { Outbox } from '../outbox.ts'
import { ownRefusal, RefusedError, toError } from '../refused-error.ts'
import type { OutboxEntry } from '../storage.ts'
import { followCall } from '../tools/call.ts'
import type {
  Call,
  CallOptions,
  EventsOptions,
  PendingFrame,
  Place,
  PostOptions,
  Room,
  RoomEvents,
  RoomOptions,
  RoomReset,
  RoomState,
} from '../types.ts'
import { uuid7 } from '../uuid7.ts'
import { RoomLog } from './room-log.ts'
import { RoomSync } from './room-sync.ts'

export interface RoomContext {
  clock: Clock
  self: () => string
  ask: Ask
  http: Http
  outbox: Outbox
  isLive: () => boolean
  onProblem: (problem: { during: string; error: Error; contract_id: string }) => void
  /** The room is over: left, refused or closed with the hub. */
  onOver: () => void
}

/** One joined room: what the caller holds. The parts that do the work are `RoomSync` and `RoomLog`. */
export class RoomSession implements Room {
  readonly contract_id: string
  readonly sync: RoomSync
  /** Resolves at the first join; rejects when the hub refuses it. */
  readonly joined: Promise<void>
  readonly #context: RoomContext
  readonly #log: RoomLog
  readonly #emitter: Emitter<RoomEvents>
  readonly #subscribers = createEmitter<{ change: undefined }>((error) => this.#report('listener', error))
  readonly #settleJoined: { resolve: () => void; reject: (error: RefusedError) => void }
  /** Frames that are acknowledged, and whose event is still on its way: they stay pending, so that nothing flickers. */
  readonly #arriving = new Map<PendingFrame, number>()
  /** Keys whose event came before the acknowledgement: no longer pending, though the outbox still has them. */
  readonly #landed = new Set<string>()
  #state: RoomState = 'joining'
  #isTelling = false
  #cursor = { wanted: 0, told: 0, isTelling: false }

  constructor(contract_id: string, { since }: RoomOptions, context: RoomContext) {
    this.contract_id = contract_id
    this.#context = context
    this.#emitter = createEmitter((error) => this.#report('listener', error))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.joined = promise
    this.#settleJoined = { resolve, reject }
    this.#log = new RoomLog({ fetchAfter: (after) => this.#fetchAfter(after), onOtherEpoch: () => void this.sync.join() })
    this.sync = new RoomSync({
      ...{ contract_id, log: this.#log, clock: context.clock, ask: context.ask, isLive: context.isLive, self: context.self },
      since: typeof since === 'number' ? { seq: since } : since,
      onChange: () => this.#onSyncChange(),
      onEvent: (event) => this.#onEvent(event),
      onReset: (reset) => this.#onReset(reset),
      onProblem: (error) => this.#report('room', error),
      onRefused: (error) => this.over(error),
    })
  }

  get state(): RoomState {
    return this.#state
  }

  get view() {
    return this.sync.view
  }

  get place(): Place {
    return this.sync.place
  }

  get pending(): readonly PendingFrame[] {
    const waiting = this.#context.outbox.pendingOf(this.contract_id).filter(({ key }) => !this.#landed.has(key))
    return [...this.#arriving.keys(), ...waiting]
  }

  on: Room['on'] = (name, listener) => this.#emitter.on(name, listener)

  subscribe: Room['subscribe'] = (listener) => this.#subscribers.on('change', listener)

  events(options: EventsOptions = {}) {
    return this.#log.events(options)
  }

  read(page: { after: number; limit?: number }): Promise<EventsPage> {
    return this.#context.http.eventsAfter(this.contract_id, page)
  }

  async post(body: string, { key = this.#newKey(), ...rest }: PostOptions = {}): Promise<FrameAck<'message.post'>> {
    return (await this.#give('message.post', { key, body, ...rest })) as FrameAck<'message.post'>
  }

  call<Output = unknown>(tool: string, input: unknown, options: CallOptions = {}): Call<Output> {
    const { key = this.#newKey(), timeout_ms, signal } = options
    const payload = { key, tool, input, ...(timeout_ms === undefined ? {} : { timeout_ms }) }
    return followCall<Output>({
      // The hub's acknowledgement of this frame.
      requested: this.#give('tool.call', payload) as Promise<FrameAck<'tool.call'>>,
      events: (from) => this.events(from),
      watch: (call_id, sink) => this.sync.watchCall(call_id, sink),
      streamedText: (call_id) => this.#askUntil(() => this.#context.http.streamedText(this.contract_id, call_id)),
      cancel: (call_id, reason) => this.cancel(call_id, reason),
      signal,
      onProblem: (error) => this.#report('call', error),
    })
  }

  async cancel(call_id: string, reason?: string): Promise<FrameAck<'tool.cancel'>> {
    const payload = { call_id, ...(reason === undefined ? {} : { reason }) }
    return (await this.#give('tool.cancel', payload)) as FrameAck<'tool.cancel'>
  }

  async end(outcome: string, reason?: string): Promise<FrameAck<'contract.end'>> {
    const payload = { key: this.#newKey(), outcome, ...(reason === undefined ? {} : { reason }) }
    return (await this.#give('contract.end', payload)) as FrameAck<'contract.end'>
  }

  typing(): void {
    // Worth nothing a moment later, so a refusal or a lost connection needs no answer.
    this.#context.ask('typing', { contract_id: this.contract_id }).catch(() => undefined)
  }

  setCursor(seq: number): void {
    this.#cursor.wanted = Math.max(this.#cursor.wanted, seq)
    void this.#tellCursor()
  }

  refresh(): void {
    void this.sync.join()
  }

  async leave(): Promise<void> {
    if (this.#state === 'closed') return
    this.over()
    const { contract_id } = this
    // Without a connection the hub has forgotten the room anyway.
    await this.#context.ask('room.leave', { contract_id }).catch(() => undefined)
  }

  /** Ends the room here: readers end, or throw the fault. */
  over(fault?: RefusedError): void {
    if (this.#state === 'closed') return
    this.sync.stop()
    this.#log.end(fault)
    // Nobody may be waiting for the first join any more.
    this.joined.catch(() => undefined)
    this.#settleJoined.reject(fault ?? ownRefusal('ROOM_LEFT'))
    this.#setState('closed')
    this.#context.onOver()
  }

  onOutboxChange(): void {
    this.#tellSubscribers()
  }

  #newKey(): string {
    return uuid7(this.#context.clock.now())
  }

  async #give(frame: OutboxEntry['frame'], payload: Record<string, unknown>): Promise<Record<string, unknown>> {
    const { contract_id } = this
    const { outbox } = this.#context
    const at = new Date(this.#context.clock.now()).toISOString()
    const key = String(payload.key ?? '')
    const given = outbox.give({ contract_id, frame, payload: { contract_id, ...payload } })
    const ack = await given.finally(() => this.#landed.delete(key))
    const { seq } = ack
    if (typeof seq === 'number' && seq > this.place.seq && this.#state !== 'closed') {
      this.#arriving.set({ key, frame, payload, at, tries: 1 }, seq)
      this.#tellSubscribers()
    }
    return ack
  }

  #onReset(reset: RoomReset): void {
    this.#arriving.clear()
    this.#cursor.told = 0
    this.#cursor.wanted = 0
    this.#emitter.emit('reset', reset)
  }

  #onEvent(event: WireEvent): void {
    if (event.type === 'redacted') return
    const { key } = event
    if (this.#context.outbox.pendingOf(this.contract_id).some((pending) => pending.key === key)) this.#landed.add(key)
  }

  #onSyncChange(): void {
    for (const [pending, seq] of this.#arriving) if (seq <= this.place.seq) this.#arriving.delete(pending)
    if (this.sync.isKnown) this.#settleJoined.resolve()
    this.#setState(this.sync.isLive ? 'live' : 'joining')
    if (this.sync.isLive) void this.#tellCursor()
    this.#tellSubscribers()
  }

  #setState(state: RoomState): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    this.#emitter.emit('state', state)
    this.#tellSubscribers()
  }

  #tellSubscribers(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    queueMicrotask(() => {
      this.#isTelling = false
      this.#subscribers.emit('change', undefined)
    })
  }

  async #tellCursor(): Promise<void> {
    const cursor = this.#cursor
    if (cursor.isTelling) return
    cursor.isTelling = true
    try {
      while (cursor.told < cursor.wanted && this.#state === 'live') {
        const seq = cursor.wanted
        await this.#context.ask('cursor.set', { contract_id: this.contract_id, seq })
        cursor.told = seq
      }
    } catch (thrown) {
      // Told again at the next change; a refusal for good is not asked for again.
      if (thrown instanceof RefusedError && thrown.retry === 'never') cursor.told = cursor.wanted
    } finally {
      cursor.isTelling = false
    }
  }

  #fetchAfter(after: number): Promise<EventsPage> {
    return this.#askUntil(async () => {
      const page = await this.#context.http.eventsAfter(this.contract_id, { after })
      // Empty: a node that lags behind the one which told of these events.
      if (page.events.length === 0 && page.epoch === this.#log.epoch) throw ownRefusal('ANSWER_INVALID', 'an empty page')
      return page
    })
  }

  /** Asks over HTTP until there is an answer, or a refusal for good. */
  async #askUntil<T>(ask: () => Promise<T>): Promise<T> {
    const { clock } = this.#context
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask()
      } catch (thrown) {
        if (!(thrown instanceof RefusedError) || thrown.retry !== 'later') throw thrown
        await pause(clock, backoff({ attempt, random: clock.random(), retry_after_ms: thrown.retry_after_ms }))
        if (this.#state === 'closed') throw ownRefusal('ROOM_LEFT')
      }
    }
  }

  #report(during: string, error: unknown): void {
    this.#context.onProblem({ during, error: toError(error), contract_id: this.contract_id })
  }
}
