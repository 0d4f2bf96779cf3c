import type { FrameAck, Push, RoomView, WireEvent } from '../../../shared/protocol/index.ts'
import { emptyRoom, evolve } from '../../../shared/rules/evolve.ts'
import { backoff } from '../link/backoff.ts'
import { type Clock, pause } from '../link/clock.ts'
import type { Ask } from '../link/link.ts'
import { ownRefusal, RefusedError, toError } from '../refused-error.ts'
import type { Place, RoomReset } from '../types.ts'
import type { RoomLog } from './room-log.ts'
import { chunkPlace, withChunk, withPost, withPresence } from './room-view.ts'

export interface ChunkSink {
  /** The next chunk. */
  push(chunk: Push<'chunk'>): void
  /** All text so far, and the number of the chunk that comes next. */
  catchUp(text: string, next_seq: number): void
}

export interface RoomSyncOptions {
  contract_id: string
  since: Place | undefined
  /** Who this is. */
  self: () => string
  log: RoomLog
  clock: Clock
  ask: Ask
  isLive: () => boolean
  onChange: () => void
  onEvent: (event: WireEvent) => void
  onReset: (reset: RoomReset) => void
  onProblem: (error: Error) => void
  /** The hub will never let this principal in (again). */
  onRefused: (error: RefusedError) => void
}

/**
 * Keeps one room in step with the hub: joins, joins again after a lost connection, a hole or a missed presence, starts afresh when
 * the log was replaced. What it gives to the log is gapless and in order, whatever the connection did.
 */
export class RoomSync {
  view: RoomView = emptyRoom
  place: Place = { seq: 0 }
  /** In step with the hub. */
  isLive = false
  /** Was joined once. */
  isKnown = false
  readonly #options: RoomSyncOptions
  readonly #sinks = new Map<string, ChunkSink>()
  /** Pushes that came while a join was under way: they belong behind its answer. */
  #held: (() => void)[] | undefined
  #joins = 0
  #isFresh = false
  #isWanted = false
  #isJoining = false
  #isOver = false
  #presence: number | undefined
  #behind: number | undefined
  #cancelRefresh: (() => void) | undefined

  constructor(options: RoomSyncOptions) {
    this.#options = options
    if (options.since) this.place = options.since
  }

  /** Joins now, or once more after the join that is under way. */
  async join(): Promise<void> {
    this.#isWanted = true
    if (this.#isJoining) return
    this.#isJoining = true
    while (this.#isWanted && !this.#isOver && this.#options.isLive()) await this.#joinOnce()
    this.#isJoining = false
  }

  stop(): void {
    this.#isOver = true
    this.isLive = false
    this.#cancelRefresh?.()
  }

  /** The connection is gone; `join` is called when there is another. */
  onConnectionLost(): void {
    this.isLive = false
    this.#presence = undefined
    this.#options.onChange()
  }

  /** Many misses at once are mended by one join, a moment later: under load, joining at each would make the load. */
  refreshSoon(): void {
    const { clock } = this.#options
    this.#cancelRefresh ??= clock.after(Math.floor(clock.random() * 500), () => {
      this.#cancelRefresh = undefined
      void this.join()
    })
  }

  watchCall(call_id: string, sink: ChunkSink): () => void {
    this.#sinks.set(call_id, sink)
    this.#catchUp(call_id, sink)
    return () => void this.#sinks.delete(call_id)
  }

  onEvents(batch: Push<'events'>): void {
    this.#inOrder(() => {
      if (batch.epoch !== this.#options.log.epoch) return void this.join()
      const { log } = this.#options
      for (const event of batch.events) {
        if (event.seq <= log.last) continue
        if (event.seq !== log.last + 1) break
        this.#take(event)
      }
      if (log.last < batch.last) void this.join()
    })
  }

  onLive({ head, epoch, chain }: Push<'live'>): void {
    this.#inOrder(() => {
      const { log } = this.#options
      const isWhole = epoch === log.epoch && head <= log.last && (head !== log.last || (this.place.chain ?? chain) === chain)
      if (!isWhole) return void this.join()
      this.#joins = 0
      this.isLive = true
      if (head === log.last) this.place = { seq: head, epoch, chain }
      this.#options.onChange()
    })
  }

  onReset(): void {
    this.#inOrder(() => {
      this.#isFresh = true
      void this.join()
    })
  }

  onLagging(): void {
    void this.join()
  }

  onPresence(presence: Push<'presence'>): void {
    this.#inOrder(() => {
      const isNext = presence.snapshot !== undefined || this.#presence === undefined || presence.version === this.#presence + 1
      if (this.#presence !== undefined && presence.version <= this.#presence) return
      if (!isNext) return this.refreshSoon()
      this.#presence = presence.version
      this.view = withPresence(this.view, presence)
      this.#options.onChange()
      // The provider is back, perhaps with other tools, and nothing else tells of them.
      const isProviderBack = presence.joined?.some(({ id, role }) => role === 'provider' && id !== this.#options.self())
      if (isProviderBack) this.refreshSoon()
    })
  }

  onChunk(chunk: Push<'chunk'>): void {
    this.#inOrder(() => {
      const place = chunkPlace(this.view, chunk)
      if (place === 'ahead') this.refreshSoon()
      if (place !== 'next') return
      this.view = withChunk(this.view, chunk)
      this.#sinks.get(chunk.call_id)?.push(chunk)
      this.#options.onChange()
    })
  }

  /** What an agent's heartbeat was told of this room. Behind at two beats: the batch between was lost, and none came after it. */
  onHead({ seq, chain }: { seq: number; chain: string }): void {
    const { last } = this.#options.log
    const isStuck = this.#behind !== undefined && last < this.#behind
    const isOther = seq === last && this.place.chain !== undefined && this.place.chain !== chain
    this.#behind = seq > last ? seq : undefined
    if (isStuck || isOther) void this.join()
  }

  #inOrder(work: () => void): void {
    if (this.#isOver) return
    if (this.#held) this.#held.push(work)
    else work()
  }

  async #joinOnce(): Promise<void> {
    this.#isWanted = false
    const { clock, contract_id, ask } = this.#options
    this.#joins += 1
    // The first two at once; a hub that answers each join with another hole must not be asked in a tight loop.
    if (this.#joins > 2) await pause(clock, backoff({ attempt: this.#joins - 2, random: clock.random() }))
    this.#held = []
    try {
      const isFresh = this.#isFresh || (!this.isKnown && this.#options.since === undefined)
      const { seq: since, ...proof } = this.place
      const ack = await ask('room.join', { contract_id, ...(isFresh ? {} : { since, ...proof }) })
      if (!this.#isOver) this.#adopt(ack, isFresh)
    } catch (thrown) {
      this.#onJoinFault(thrown)
    } finally {
      this.#release()
    }
  }

  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const work of held) {
      try {
        work()
      } catch (thrown) {
        this.#options.onProblem(toError(thrown))
      }
    }
  }

  #onJoinFault(thrown: unknown): void {
    const error = thrown instanceof RefusedError ? thrown : ownRefusal('ANSWER_INVALID', toError(thrown).message, { cause: thrown })
    if (error.code === 'NOT_CONNECTED' || error.code === 'UNAUTHENTICATED') return
    if (error.retry === 'never') {
      this.#options.onRefused(error)
      return
    }
    const { clock } = this.#options
    const delay_ms = backoff({ attempt: this.#joins, random: clock.random(), retry_after_ms: error.retry_after_ms })
    this.#cancelRefresh?.()
    this.#cancelRefresh = clock.after(delay_ms, () => {
      this.#cancelRefresh = undefined
      void this.join()
    })
  }

  #adopt({ epoch, head, chain, view }: FrameAck<'room.join'>, isFresh: boolean): void {
    const { log } = this.#options
    // The hub found another log and says so next: `reset`.
    if (!isFresh && this.place.epoch !== undefined && this.place.epoch !== epoch) return
    if (isFresh) {
      this.place = { seq: head, epoch, chain }
      const isReplaced = this.isKnown || this.#options.since !== undefined
      if (isReplaced) this.#startAfresh({ seq: head, epoch })
      else log.begin({ seq: head, epoch })
    } else if (!this.isKnown) {
      this.place = { ...this.place, epoch }
      log.begin({ seq: this.place.seq, epoch })
    }
    this.#isFresh = false
    this.isKnown = true
    this.#presence = undefined
    this.view = view.seq >= this.view.seq || isFresh ? view : { ...this.view, members: view.members, tools: view.tools }
    for (const [call_id, sink] of this.#sinks) this.#catchUp(call_id, sink)
    this.#options.onChange()
  }

  #startAfresh({ seq, epoch }: { seq: number; epoch: string }): void {
    this.#options.log.reset({ seq, epoch })
    this.#options.onReset({ type: 'room.reset', seq, epoch })
  }

  #take(event: WireEvent): void {
    const { log } = this.#options
    try {
      // Past a large gap the view stands ahead of the events: they are read, and are in it already.
      if (event.seq > this.view.seq) this.view = evolve(this.view, event)
    } catch (thrown) {
      // Asking for it again would give the same; the room is one event the poorer, and its owner knows.
      this.view = { ...this.view, seq: event.seq }
      this.#options.onProblem(toError(thrown))
    }
    // What is caught up on was said before.
    if (this.isLive) this.view = withPost(this.view, event)
    this.place = { seq: event.seq, epoch: log.epoch, chain: event.chain }
    log.push(event)
    this.#options.onEvent(event)
    this.#options.onChange()
  }

  #catchUp(call_id: string, sink: ChunkSink): void {
    const call = this.view.calls.find((candidate) => candidate.call_id === call_id)
    if (call?.text !== undefined) sink.catchUp(call.text, call.next_seq ?? 1)
  }
}
