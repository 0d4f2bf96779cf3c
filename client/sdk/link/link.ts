import { io, type Socket } from 'socket.io-client'
import { type AfterClose, afterClose } from '../../../shared/protocol/close-codes.ts'
import type { FrameAck, FrameInput, FrameType, Push, PushType } from '../../../shared/protocol/index.ts'
import { isRecord, isRefusal, ownRefusal, RefusedError, toError, unreachable } from '../refused-error.ts'
import type { HubState } from '../types.ts'
import { backoff } from './backoff.ts'
import type { Clock } from './clock.ts'

export interface LinkOptions {
  url: string
  clock: Clock
  ack_timeout_ms: number
  /** What the handshake sends; asked before every connection. */
  auth: () => Promise<Record<string, string>>
  /** Whether asking `auth` again can give something new. */
  renewable: boolean
  /** What has to be said before anything else, on every new connection. */
  greet: () => Promise<void>
  onState: (state: HubState) => void
  onProblem: (error: Error) => void
}

export type Ask = <T extends FrameType>(frame: T, payload: FrameInput<T>) => Promise<FrameAck<T>>

/**
 * One Socket.IO connection that comes back by itself. Its own reconnection is off: here one timer serves lost networks, refused
 * handshakes and the pauses that the hub asks for alike.
 */
export class Link {
  state: HubState = 'connecting'
  /** Counts connections, so that a caller can tell whether silence was the hub's or the network's. */
  connection = 0
  /** Why it is closed, if it did not close itself. */
  fault: RefusedError | undefined
  /** The last reason why there is no connection. */
  lastError: Error | undefined
  readonly #options: LinkOptions
  readonly #socket: Socket
  #attempt = 0
  #closing: Push<'closing'> | undefined
  #cancelRetry: (() => void) | undefined

  constructor(options: LinkOptions) {
    this.#options = options
    this.#socket = io(new URL('/rooms', options.url).href, {
      autoConnect: false,
      forceNew: true,
      reconnection: false,
      transports: ['websocket'],
    })
    this.#socket.on('connect', () => void this.#greet())
    this.#socket.on('connect_error', (error: Error & { data?: unknown }) => this.#onConnectError(error))
    this.#socket.on('disconnect', () => this.#onDisconnect())
    this.on('closing', (closing) => {
      this.#closing = closing
    })
    globalThis.addEventListener?.('online', this.#comeBackNow)
  }

  open(): void {
    void this.#connect()
  }

  /** Listens for a push. A handler that throws is reported, for nobody above it could catch. */
  on<P extends PushType>(name: P, handler: (payload: Push<P>, ack: () => void) => void): void {
    this.#socket.on(name as string, (payload: Push<P>, ack?: (answer: object) => void) => {
      try {
        handler(payload, () => ack?.({}))
      } catch (thrown) {
        this.#options.onProblem(toError(thrown))
      }
    })
  }

  /** Sends a frame and resolves to its acknowledgement. Rejects with a RefusedError, the hub's or its own. */
  ask: Ask = async <T extends FrameType>(frame: T, payload: FrameInput<T>) => {
    if (!this.#socket.connected) throw ownRefusal('NOT_CONNECTED')
    const answer: unknown = await this.#socket
      .timeout(this.#options.ack_timeout_ms)
      .emitWithAck(frame, payload)
      .catch((thrown: unknown) => {
        throw ownRefusal(this.#socket.connected ? 'NO_ANSWER' : 'NOT_CONNECTED', frame, { cause: toError(thrown) })
      })
    if (isRecord(answer) && answer.ok === true) {
      const { ok: _, ...ack } = answer
      // The hub checked it by the frame's own schema; a client of another version must bear more or fewer fields anyhow.
      return ack as FrameAck<T>
    }
    throw isRecord(answer) && isRefusal(answer.error) ? new RefusedError(answer.error) : ownRefusal('ANSWER_INVALID', frame)
  }

  /** Gives the connection up for a new one, which greets anew. */
  reconnect(): void {
    this.#socket.disconnect()
  }

  close(fault?: RefusedError): void {
    if (this.state === 'closed') return
    this.fault = fault
    this.#cancelRetry?.()
    globalThis.removeEventListener?.('online', this.#comeBackNow)
    this.#setState('closed')
    this.#socket.disconnect()
  }

  async #connect(): Promise<void> {
    this.#cancelRetry = undefined
    try {
      this.#socket.auth = await this.#options.auth()
    } catch (thrown) {
      if (thrown instanceof RefusedError && thrown.retry !== 'later') return this.close(thrown)
      return this.#retry(toError(thrown))
    }
    if (this.state !== 'closed') this.#socket.connect()
  }

  async #greet(): Promise<void> {
    const connection = ++this.connection
    try {
      await this.#options.greet()
    } catch (thrown) {
      if (connection !== this.connection) return
      const error = thrown instanceof RefusedError ? thrown : ownRefusal('ANSWER_INVALID', toError(thrown).message, { cause: thrown })
      if (error.retry !== 'later') return this.close(error)
      this.lastError = error
      // The disconnect makes the next try.
      this.#socket.disconnect()
      return
    }
    if (connection !== this.connection || !this.#socket.connected) return
    this.#attempt = 0
    this.lastError = undefined
    this.#setState('live')
  }

  #onConnectError(error: Error & { data?: unknown }): void {
    const refusal = isRefusal(error.data) ? new RefusedError(error.data) : unreachable(this.#options.url, error)
    if (refusal.retry === 'later') this.#retry(refusal, refusal.retry_after_ms)
    else this.close(refusal)
  }

  #onDisconnect(): void {
    this.connection += 1
    if (this.state === 'closed') return
    const closing = this.#closing
    this.#closing = undefined
    const after: AfterClose = closing === undefined ? 'reconnect' : afterClose(closing.code)
    if (after === 'final') this.close(ownRefusal('CLOSED_FOR_GOOD', closing?.reason))
    else if (after === 'new-credentials' && !this.#options.renewable) this.close(ownRefusal('CREDENTIALS_ENDED', closing?.reason))
    else this.#retry(this.lastError ?? ownRefusal('NOT_CONNECTED'), closing?.retry_after_ms)
  }

  #retry(error: Error, retry_after_ms = 0): void {
    this.lastError = error
    if (this.state === 'closed' || this.#cancelRetry !== undefined) return
    if (this.state === 'live') this.#setState('reconnecting')
    const { clock } = this.#options
    this.#attempt += 1
    const delay_ms = backoff({ attempt: this.#attempt, random: clock.random(), retry_after_ms })
    this.#cancelRetry = clock.after(delay_ms, () => void this.#connect())
  }

  /** The browser has its network back: waiting longer would help nobody. */
  readonly #comeBackNow = (): void => {
    if (this.#cancelRetry === undefined) return
    this.#cancelRetry()
    void this.#connect()
  }

  #setState(state: HubState): void {
    if (this.state === state) return
    this.state = state
    this.#options.onState(state)
  }
}
