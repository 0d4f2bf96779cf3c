import type { EventEmitter } from 'node:events'
import type { Socket } from 'socket.io'
import { type CloseCode, closeCodes, type Push, type PushType } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import { audienceOf, type EventsText, type Session } from '../../pipeline/session.ts'
import type { FanOut } from '../delivery/fan-out.ts'
import { pushOut } from '../delivery/raw-websocket.ts'
import type { Meter } from '../meter.ts'
import { Asked } from './asked.ts'

/** How long before the end of its credentials a client is told, and how long after it may still renew them. */
const EXPIRING_MS = 60_000
const GRACE_MS = 10_000
const LONGEST_WAIT_MS = 86_400_000

export interface SessionDeps {
  principal: Principal
  clock: Clock
  meter: Meter
  fanOut: FanOut
  /** Whether this node knows that the principal's credential has ended. */
  hasEnded(principal: Principal): boolean
}

/** A Socket.IO connection as the features see it. */
export function createSocketSession(socket: Socket, deps: SessionDeps): Session {
  const session = new SocketSession(socket, deps)
  session.enter(audienceOf.principal(deps.principal.id))
  return session
}

/** A class, for its lifetime is the point, and every connection has one: what only waits must cost little. */
class SocketSession implements Session {
  readonly id: string
  principal: Principal
  readonly #socket: Socket
  readonly #deps: Omit<SessionDeps, 'principal'>
  #listeners: ((graceful: boolean) => void)[] | undefined
  /** Made with the first. */
  #asked: Asked | undefined
  /** It was sent away. Its socket lives until it has taken what was sent before, and must not hear of anything else. */
  #isClosing = false
  #gone: { graceful: boolean } | undefined
  #expires_ms: number | null = null
  #wasWarned = false
  #cancelExpiry: (() => void) | undefined
  /** What is not read yet, and until when. */
  #draining: { full: EventEmitter; ended: Promise<void> } | undefined

  constructor(socket: Socket, { principal, ...deps }: SessionDeps) {
    this.id = socket.id
    this.principal = principal
    this.#socket = socket
    this.#deps = deps
    socket.on('disconnect', (reason) => this.#end({ graceful: reason === 'client namespace disconnect' }))
  }

  #end(gone: { graceful: boolean }): void {
    this.#gone = gone
    this.#cancelExpiry?.()
    this.#asked?.end()
    this.#asked = undefined
    const listeners = this.#listeners ?? []
    this.#listeners = undefined
    for (const run of listeners) run(gone.graceful)
  }

  isOpen(): boolean {
    return !this.#isClosing && this.#gone === undefined && this.#socket.connected
  }

  send<T extends PushType>(type: T, payload: Push<T>): void {
    this.#tell(type, JSON.stringify(payload))
  }

  sendEvents(batch: EventsText): void {
    this.#tell('events', batch.json, batch)
  }

  #tell(type: PushType, json: string, of?: object): void {
    if (this.#socket.connected) this.#deps.fanOut.tell([this.#socket], type, json, of)
  }

  ask<T extends PushType>(type: T, payload: Push<T>, about: string): Promise<boolean> {
    if (this.#gone !== undefined) return Promise.resolve(false)
    this.#asked ??= new Asked()
    return this.#asked.ask(this.#socket, type, payload, about)
  }

  settle(about: string): void {
    this.#asked?.settle(about)
  }

  enter(audience: string): void {
    if (!this.#isClosing) void this.#socket.join(audience)
  }

  exit(audience: string): void {
    void this.#socket.leave(audience)
  }

  drained(): Promise<void> {
    const { conn } = this.#socket
    if (this.#gone !== undefined) return Promise.resolve()
    // engine.io keeps what it has not handed to the transport yet in this buffer, and says `drain` when it is empty.
    const isQueued = (conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length > 0
    const full = isQueued ? conn : pushOut(this.#socket)
    if (full === undefined) return Promise.resolve()
    // Whoever comes meanwhile waits with the first: a listener for each would be many.
    if (this.#draining?.full !== full) this.#draining = { full, ended: this.#drainOf(full) }
    return this.#draining.ended
  }

  #drainOf(full: EventEmitter): Promise<void> {
    const { conn } = this.#socket
    return new Promise((resolve) => {
      const done = () => {
        full.off('drain', done)
        conn.off('close', done)
        if (this.#draining?.full === full) this.#draining = undefined
        resolve()
      }
      full.on('drain', done)
      conn.on('close', done)
    })
  }

  onClose(run: (graceful: boolean) => void): void {
    if (this.#gone !== undefined) run(this.#gone.graceful)
    // An array that begins empty takes room for seventeen with the first.
    else if (this.#listeners === undefined) this.#listeners = [run]
    else this.#listeners.push(run)
  }

  renew(proof: { principal: Principal; expires_at_ms: number | null }): boolean {
    if (this.#deps.hasEnded(proof.principal)) return false
    this.principal = proof.principal
    this.expireAt(proof.expires_at_ms)
    return true
  }

  expireAt(ms: number | null): void {
    if (ms === this.#expires_ms) return
    this.#expires_ms = ms
    this.#wasWarned = false
    this.#cancelExpiry?.()
    this.#cancelExpiry = undefined
    if (ms !== null) this.#wait(ms - EXPIRING_MS)
  }

  /** In steps: no timer waits for longer than some weeks, and a key may be good for years. */
  #wait(until_ms: number): void {
    const { clock } = this.#deps
    this.#cancelExpiry = clock.after(Math.min(until_ms - clock.now(), LONGEST_WAIT_MS), () => this.#expire())
  }

  #expire(): void {
    const ms = this.#expires_ms
    if (ms === null) return
    const due_ms = this.#wasWarned ? ms + GRACE_MS : ms - EXPIRING_MS
    if (this.#deps.clock.now() < due_ms) this.#wait(due_ms)
    else if (this.#wasWarned) this.close(closeCodes.CREDENTIALS_EXPIRED, 'The credentials have expired')
    else {
      this.#wasWarned = true
      this.send('auth.expiring', { at: isoTime(ms) })
      this.#wait(ms + GRACE_MS)
    }
  }

  close(code: CloseCode, reason: string): void {
    this.#isClosing = true
    this.#deps.meter.closing(code)
    this.send('closing', { code, reason })
    if (code < 4400) this.#socket.conn.close()
    else this.#socket.disconnect(true)
  }
}
