import type { By, FrameAck, PrincipalKind, Push, RoomView, Visibility, Welcome, WireEvent } from '../../shared/protocol/index.ts'
import type { Clock } from './link/clock.ts'
import type { RefusedError } from './refused-error.ts'
import type { OutboxEntry, OutboxStorage } from './storage.ts'

export type Unsubscribe = () => void
/** What proves who connects: a text, or a function that is asked again before every connection and before it expires. */
export type Credential = string | (() => string | Promise<string>)

export interface ConnectOptions {
  /** The hub's address, such as `http://127.0.0.1:6767`. In a browser, the page's own origin when it is left out. */
  url?: string
  /** An agent's API key. */
  key?: Credential
  /** A human's access token, or the operator's. With neither key nor token a browser sends its cookie. */
  token?: Credential
  /** What an agent calls itself and its version. */
  agent?: { name: string; version: string }
  /** Where unacknowledged frames are kept. Memory in Node, `localStorage` in a browser; `fileStorage(path)` survives a restart. */
  storage?: OutboxStorage
  /** The `session_id` of an earlier process, to take over the calls that it left open. Reconnects need none. */
  resume?: string
  /** How long the first connection may take, in milliseconds; `Infinity` waits for the hub to appear. Default 30,000. */
  connect_timeout_ms?: number
  /** How long an acknowledgement may take before the frame is sent again, in milliseconds. Default 10,000. */
  ack_timeout_ms?: number
  /** Time and chance, for tests. */
  clock?: Clock
}

export type HubState = 'connecting' | 'live' | 'reconnecting' | 'closed'

/** Something that went wrong where no caller waits. The sdk goes on. */
export interface Problem {
  /** What the sdk was doing: `outbox`, `storage`, `listener`, `tool`, `register`, `connection`, `session`, `room`. */
  during: string
  error: Error
  contract_id?: string
}

export interface HubEvents {
  state: HubState
  /**
   * A contract that this principal is a party to. An agent is told each once: a new listener those that are known, then each that is opened,
   * also one that was opened while there was no connection. A human is told what is opened while there is one.
   */
  contract: Push<'contract.opened'>
  /** The hub is about to close the connection, and why. */
  closing: Push<'closing'>
  problem: Problem
}

/** Who connected. The roles of a human are the hub's affair: ask `GET /me` for them. */
export interface Principal {
  id: string
  kind: PrincipalKind
  name: string
}

/** One connection to a hub, kept alive until `close`. */
export interface Hub {
  readonly state: HubState
  readonly principal: Principal
  /** What the hub told an agent after its last hello; undefined for a human. */
  readonly welcome: Welcome | undefined
  on<E extends keyof HubEvents>(name: E, listener: (value: HubEvents[E]) => void): Unsubscribe
  /** Names a tool that others may call. Tools named in one go are registered in one frame, and again after each reconnect. */
  tool<Input>(tool: ToolDefinition<Input>): void
  /** Resolves to the names that the hub registered, or rejects with its refusal. */
  ready(): Promise<string[]>
  /** Joins a contract's room; the same object for the same id until it is left. Rejects with NOT_FOUND for a stranger. */
  room(contract_id: string, options?: RoomOptions): Promise<Room>
  /** An agent's open contracts, joined: those it has now, then each new one. Ends when the hub is closed. */
  rooms(options?: RoomsOptions): AsyncIterableIterator<Room>
  /** Ends everything. What is not acknowledged stays in the storage and goes out with the next connection. */
  close(): Promise<void>
}

/** A place in a room's log. With `epoch` and `chain` the hub can tell whether the log is still the one that was read. */
export interface Place {
  seq: number
  epoch?: string
  chain?: string
}

export interface RoomOptions {
  /** Where reading starts: events after this one. Left out: what happens from now on. */
  since?: number | Place
}

export interface RoomsOptions {
  /** Where reading starts in a contract that was open already. A contract opened from now on is read from its first event. */
  since?: (contract_id: string) => number | Place | undefined
}

/** The log was replaced (a restored backup): what was read before may not have happened. Reading goes on after `seq`. */
export interface RoomReset {
  type: 'room.reset'
  seq: number
  epoch: string
}
export type RoomEvent = WireEvent | RoomReset

export type RoomState = 'joining' | 'live' | 'closed'

export interface RoomEvents {
  state: RoomState
  reset: RoomReset
}

export interface EventsOptions {
  /** Events after this one. Default: after the place where the room was joined. */
  since?: number
  /** Ends the iteration. */
  signal?: AbortSignal
}

export interface PostOptions {
  /** Makes the post idempotent: the same key and body again answers with the first one's place. Made up when left out. */
  key?: string
  visibility?: Visibility
  reply_to?: number
  evidence?: string[]
}

/** A frame that is not yet part of the log, in the order of sending. */
export interface PendingFrame {
  key: string
  frame: OutboxEntry['frame']
  payload: Record<string, unknown>
  /** When it was given, ISO 8601. */
  at: string
  /** How often it was sent without an answer that settles it. */
  tries: number
}

/** A contract's room. `view` is replaced, never changed, so it can be compared by identity. */
export interface Room {
  readonly contract_id: string
  readonly state: RoomState
  readonly view: RoomView
  /**
   * The last event that was received: store it to read on from here in a later process. Whoever must handle each event stores the `seq` of
   * the last one that was handled instead: a reader may be behind.
   */
  readonly place: Place
  /** Frames that are given and not yet in the log. */
  readonly pending: readonly PendingFrame[]
  on<E extends keyof RoomEvents>(name: E, listener: (value: RoomEvents[E]) => void): Unsubscribe
  /** Calls back once after each burst of changes of `view`, `pending` or `state`. */
  subscribe(listener: () => void): Unsubscribe
  /**
   * Every event in order, each once, through reconnects; ends when the room is left. A slow reader costs no memory: what it has
   * not read is fetched from the log again. Throws RefusedError when the hub no longer lets this principal read.
   */
  events(options?: EventsOptions): AsyncIterableIterator<RoomEvent>
  /** One page of the log, at most 500 events, for history. */
  read(page: { after: number; limit?: number }): Promise<{ events: WireEvent[]; head: number; epoch: string }>
  /** Resolves when the message is recorded. */
  post(body: string, options?: PostOptions): Promise<FrameAck<'message.post'>>
  call<Output = unknown>(tool: string, input: unknown, options?: CallOptions): Call<Output>
  cancel(call_id: string, reason?: string): Promise<FrameAck<'tool.cancel'>>
  end(outcome: string, reason?: string): Promise<FrameAck<'contract.end'>>
  /** Tells the others that this principal is typing. Never fails. */
  typing(): void
  /** Tells how far this principal has read. The newest place wins; sent again until the hub has it. */
  setCursor(seq: number): void
  /** Joins again where it stands: fresh members and tools. */
  refresh(): void
  leave(): Promise<void>
}

export interface CallOptions {
  key?: string
  timeout_ms?: number
  /** Cancels the call. */
  signal?: AbortSignal
}

/**
 * One invocation of a tool. Iterating gives its streamed output; the outcome is told by `result` alone: its output, or a
 * `CallError`. Iterating throws only when chunks were missed and the hub no longer gives them (STREAM_INCOMPLETE).
 */
export interface Call<Output = unknown> extends AsyncIterable<string> {
  /** Resolves when the call is recorded. */
  readonly requested: Promise<{ call_id: string; seq: number }>
  result(): Promise<Output>
  cancel(reason?: string): Promise<void>
}

/** JSON Schema 2020-12. */
export type JsonSchema = Record<string, unknown> | boolean

/** A zod object, or any other schema that speaks Standard Schema and Standard JSON Schema. */
export interface InputSchema<Input> {
  readonly '~standard': {
    readonly types?: { readonly output: Input } | undefined
    readonly validate: (value: unknown) => SchemaResult<Input> | Promise<SchemaResult<Input>>
    readonly jsonSchema: { readonly input: (options: { target: 'draft-2020-12' }) => Record<string, unknown> }
  }
}
export type SchemaResult<Input> =
  | { readonly value: Input; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] }

export interface ToolDefinition<Input = unknown> {
  /** 1 to 64 letters, digits, `_`, `.` or `-`. */
  name: string
  description: string
  input: InputSchema<Input> | JsonSchema
  requires_approval?: boolean
  risk?: 'low' | 'high'
  timeout_ms?: number
  /** Gives the output. An async generator streams what it yields and gives what it returns. A throw fails the call. */
  run(input: Input, call: ToolCall): unknown | Promise<unknown> | AsyncGenerator<string, unknown, void>
}

/** The invocation that a tool answers. */
export interface ToolCall {
  call_id: string
  contract_id: string
  /** When the hub stops waiting, ISO 8601. */
  deadline: string
  /** Aborted by a cancel, by the deadline, and when the hub is closed. */
  signal: AbortSignal
  /** The room that the call was made in, joined. */
  room(): Promise<Room>
}

export type { By, RefusedError, RoomView, WireEvent }
