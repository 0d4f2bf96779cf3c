import type { Welcome } from '../../shared/protocol/index.ts'
import { PROTOCOL } from '../../shared/protocol/version.ts'
import { createHttp, type Http, resolveCredential } from './http.ts'
import type { Clock } from './link/clock.ts'
import { createEmitter, type Emitter } from './link/emitter.ts'
import { type Ask, Link } from './link/link.ts'
import { Outbox } from './outbox.ts'
import { createProblemReport } from './problem-report.ts'
import { ownRefusal, RefusedError, toError } from './refused-error.ts'
import { RoomSession } from './room/room.ts'
import { RoomFeed } from './room/room-feed.ts'
import type { OutboxEntry, OutboxStorage } from './storage.ts'
import { ToolRunner } from './tools/tool-runner.ts'
import type { ConnectOptions, Hub, HubEvents, HubState, Principal, Room, RoomOptions, RoomsOptions, ToolDefinition } from './types.ts'

export interface HubOptions extends ConnectOptions {
  url: string
  storage: OutboxStorage
  clock: Clock
  agent: { name: string; version: string }
  ack_timeout_ms: number
}

/** What `connect` gives: it wires the parts and holds what belongs to no room. */
export class HubSession implements Hub {
  readonly link: Link
  principal: Principal = { id: '', kind: 'user', name: '' }
  welcome: Welcome | undefined
  readonly #options: HubOptions
  readonly #http: Http
  readonly #outbox: Outbox
  readonly #tools: ToolRunner
  readonly #emitter: Emitter<HubEvents> = createEmitter((error) => this.#report({ during: 'listener', error }))
  readonly #report = createProblemReport(this.#emitter)
  readonly #rooms = new Map<string, RoomSession>()
  readonly #feed: RoomFeed
  #isRestored = false
  #registration: Promise<string[]> | undefined
  #stopBeating: (() => void) | undefined
  #whenLive = quiet(Promise.withResolvers<void>())
  #wasLive = false
  #isNaming = false
  /** The session to go on with at the next hello; none after another connection took it. */
  #session_id: string | undefined

  constructor(options: HubOptions) {
    this.#options = options
    this.#session_id = options.resume
    const { clock } = options
    const onProblem = this.#report
    this.#http = createHttp(options, () => this.principal.id)
    this.link = new Link({
      ...{ url: options.url, clock, ack_timeout_ms: options.ack_timeout_ms },
      auth: () => this.#auth(),
      renewable: typeof (options.key ?? options.token) !== 'string',
      greet: () => this.#greet(),
      onState: (state) => this.#onState(state),
      onProblem: (error) => onProblem({ during: 'connection', error }),
    })
    const isLive = () => this.link.state === 'live'
    this.#outbox = new Outbox({
      ...{ storage: options.storage, clock, isLive, onProblem },
      send: (entry) => this.#send(entry),
      onChange: (contract_id) => this.#rooms.get(contract_id)?.onOutboxChange(),
    })
    const room = (contract_id: string, from?: RoomOptions) => this.room(contract_id, from)
    this.#tools = new ToolRunner({ clock, ask: this.#ask, outbox: this.#outbox, live: () => this.#whenLive.promise, room, onProblem })
    this.#feed = new RoomFeed({ room, onProblem, onContract: (contract) => this.#emitter.emit('contract', contract) })
    this.#listen()
  }

  get state(): HubState {
    return this.link.state
  }

  on: Hub['on'] = (name, listener) =>
    this.#emitter.on(name, listener, name === 'contract' ? (this.#feed.known() as HubEvents[typeof name][]) : [])

  tool<Input>(tool: ToolDefinition<Input>): void {
    // `run` gets what the tool's own schema makes of the input, so the pair may forget what it is.
    this.#tools.name(tool as ToolDefinition)
    if (this.#isNaming) return
    this.#isNaming = true
    // Later in this turn, so that tools named together make one frame.
    this.#keepRegistration(Promise.resolve().then(() => this.#register()))
  }

  async ready(): Promise<string[]> {
    for (;;) {
      try {
        return (await this.#registration) ?? []
      } catch (thrown) {
        if (!(thrown instanceof RefusedError) || thrown.code !== 'NOT_CONNECTED') throw thrown
        // The next connection registers by itself.
        await this.#whenLive.promise
      }
    }
  }

  async room(contract_id: string, options: RoomOptions = {}): Promise<Room> {
    const known = this.#rooms.get(contract_id)
    const room = known ?? this.#openRoom(contract_id, options)
    await room.joined
    return room
  }

  rooms(options: RoomsOptions = {}): AsyncIterableIterator<Room> {
    return this.#feed.rooms(options)
  }

  async close(): Promise<void> {
    this.link.close()
    await this.#outbox.stop(ownRefusal('HUB_CLOSED'))
  }

  #listen(): void {
    const { link } = this
    link.on('core.welcome', (welcome) => this.#onWelcome(welcome))
    link.on('events', (batch) => this.#rooms.get(batch.contract_id)?.sync.onEvents(batch))
    link.on('live', (live) => this.#rooms.get(live.contract_id)?.sync.onLive(live))
    link.on('reset', (reset) => this.#rooms.get(reset.contract_id)?.sync.onReset())
    link.on('lagging', (lagging) => this.#rooms.get(lagging.contract_id)?.sync.onLagging())
    link.on('presence', (presence) => this.#rooms.get(presence.contract_id)?.sync.onPresence(presence))
    link.on('chunk', (chunk) => this.#rooms.get(chunk.contract_id)?.sync.onChunk(chunk))
    link.on('core.tool.call', (call, ack) => this.#tools.onCall(call, ack))
    link.on('core.tool.cancel', (cancel) => this.#tools.onCancel(cancel))
    link.on('auth.expiring', () => void this.#refreshAuth())
    link.on('closing', (closing) => this.#emitter.emit('closing', closing))
    link.on('contract.opened', ({ contract_id }) => this.#feed.onOpened(contract_id))
  }

  async #auth(): Promise<Record<string, string>> {
    const { key, token } = this.#options
    const secret = await resolveCredential(key ?? token)
    if (key !== undefined) return { key: secret ?? '' }
    // Named in every handshake: what was written as the one must not be sent as the next user of the browser.
    this.principal = this.#isRestored ? this.principal : await this.#http.me()
    return { as: this.principal.id, ...(secret === undefined ? {} : { token: secret }) }
  }

  async #greet(): Promise<void> {
    const { key, agent } = this.#options
    if (key !== undefined) {
      const session_id = this.#session_id
      const hello = { protocol: PROTOCOL, agent, ...(session_id === undefined ? {} : { resume: session_id }) }
      const welcome = await this.link.ask('agent.hello', hello)
      this.#session_id = welcome.session_id
      this.#onWelcome(welcome)
    }
    await this.#restore()
    if (this.#tools.hasTools) await this.#keepRegistration(this.#register())
  }

  async #restore(): Promise<void> {
    if (this.#isRestored) return
    this.#isRestored = true
    const entries = await this.#outbox.restore(`${new URL(this.#options.url).origin} ${this.principal.id}`)
    this.#tools.restore(entries)
  }

  async #send({ frame, payload }: OutboxEntry): Promise<Record<string, unknown>> {
    // The payload was made for this frame, by the code above or by an earlier run of it.
    return { ...(await this.#ask(frame, payload as never)) }
  }

  /** Another connection took the session over: this one stays deaf until it has one of its own. Both may be right, so neither takes it back. */
  readonly #ask: Ask = async (frame, payload) => {
    // Ahead of the answer to the hello there is no session yet, and its want would look as if it had been taken. Tools are part of the greeting.
    if (this.link.state !== 'live' && frame !== 'agent.tools.register') throw ownRefusal('NOT_CONNECTED')
    try {
      return await this.link.ask(frame, payload)
    } catch (thrown) {
      // Of several that are refused the first is enough.
      if (thrown instanceof RefusedError && thrown.code === 'HELLO_REQUIRED' && this.#session_id) {
        this.#session_id = undefined
        this.#report({ during: 'session', error: thrown })
        this.link.reconnect()
      }
      throw thrown
    }
  }

  #openRoom(contract_id: string, options: RoomOptions): RoomSession {
    const { clock } = this.#options
    const room: RoomSession = new RoomSession(contract_id, options, {
      self: () => this.principal.id,
      ...{ clock, ask: this.#ask, http: this.#http, outbox: this.#outbox, isLive: () => this.link.state === 'live' },
      onProblem: this.#report,
      onOver: () => {
        if (this.#rooms.get(contract_id) === room) this.#rooms.delete(contract_id)
      },
    })
    if (this.link.state === 'closed') room.over(this.link.fault ?? ownRefusal('HUB_CLOSED'))
    else this.#rooms.set(contract_id, room)
    void room.sync.join()
    return room
  }

  #onWelcome(welcome: Welcome): void {
    this.welcome = welcome
    this.principal = welcome.principal
    this.#feed.onWelcome(welcome.contracts.map(({ contract_id }) => contract_id))
  }

  #onState(state: HubState): void {
    if (state === 'live') {
      this.#wasLive = true
      this.#whenLive.resolve()
      this.#outbox.wake()
      this.#beat()
      // What ended while nobody could be told.
      const calls = this.#tools.underWay()
      if (calls.length > 0) this.#sayAlive(calls)
      for (const room of this.#rooms.values()) void room.sync.join()
    } else {
      this.#stopBeating?.()
      // Whoever waited for the old promise was let go when it became live.
      if (this.#wasLive && state !== 'closed') this.#whenLive = quiet(Promise.withResolvers<void>())
      for (const room of this.#rooms.values()) room.sync.onConnectionLost()
    }
    if (state === 'closed') this.#onClosed(this.link.fault)
    this.#emitter.emit('state', state)
  }

  #onClosed(fault: RefusedError | undefined): void {
    const reason = fault ?? ownRefusal('HUB_CLOSED')
    this.#whenLive.reject(reason)
    this.#whenLive = quiet(Promise.withResolvers<void>())
    this.#whenLive.reject(reason)
    this.#tools.stop()
    for (const room of [...this.#rooms.values()]) room.over(fault)
    this.#feed.end(fault)
    void this.#outbox.stop(reason)
    // Before the first time, `connect` rejects with it.
    if (fault && this.#wasLive) this.#report({ during: 'connection', error: fault })
  }

  /** Resolves when it is settled, either way: `ready` tells how. */
  #keepRegistration(registration: Promise<string[]>): Promise<unknown> {
    this.#registration = registration
    return registration.catch(() => undefined)
  }

  #register(): Promise<string[]> {
    this.#isNaming = false
    return this.#tools.register()
  }

  #beat(): void {
    if (this.welcome === undefined) return
    this.#stopBeating = this.#options.clock.after(this.welcome.heartbeat_ms, () => {
      this.#beat()
      this.#sayAlive(this.#tools.underWay())
    })
  }

  /** The hub tells, by `core.tool.cancel`, which of the calls are over. */
  #sayAlive(calls: string[]): void {
    this.#ask('agent.heartbeat', { calls })
      .then(({ heads }) => {
        for (const [contract_id, head] of Object.entries(heads)) {
          // The word that it was opened may have been lost.
          this.#feed.onOpened(contract_id)
          this.#rooms.get(contract_id)?.sync.onHead(head)
        }
      })
      // The next beat comes anyway, and a connection that is gone tells of itself.
      .catch(() => undefined)
  }

  async #refreshAuth(): Promise<void> {
    const { key, token } = this.#options
    // A fixed text would be the same again: the hub will say `closing`.
    if (typeof (key ?? token) !== 'function') return
    try {
      const secret = await resolveCredential(key ?? token)
      if (secret === undefined) return
      await this.link.ask('auth.refresh', key === undefined ? { token: secret } : { key: secret })
      this.#outbox.wake()
      for (const room of this.#rooms.values()) if (!room.sync.isLive) void room.sync.join()
    } catch (thrown) {
      this.#report({ during: 'connection', error: toError(thrown) })
    }
  }
}

/** A promise that nobody may be waiting for: its rejection is then no fault of the process. */
function quiet(waiting: PromiseWithResolvers<void>): PromiseWithResolvers<void> {
  waiting.promise.catch(() => undefined)
  return waiting
}
