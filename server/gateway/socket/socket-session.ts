import type { Socket } from 'socket.io'
import { type CloseCode, closeCodes, type Push, type PushType } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import { audienceOf, type Session } from '../../pipeline/session.ts'
import type { FanOut } from '../delivery/fan-out.ts'
import { pushOut } from '../delivery/raw-websocket.ts'
import type { Meter } from '../meter.ts'

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
export function createSocketSession(socket: Socket, { principal, clock, meter, fanOut, hasEnded }: SessionDeps): Session {
  const listeners: ((graceful: boolean) => void)[] = []
  const asked = new Set<(wasAnswered: boolean) => void>()
  let gone: { graceful: boolean } | undefined
  let cancelExpiry: (() => void) | undefined
  let expires_ms: number | null = null

  socket.on('disconnect', (reason) => {
    gone = { graceful: reason === 'client namespace disconnect' }
    cancelExpiry?.()
    for (const settle of asked) settle(false)
    asked.clear()
    for (const run of listeners.splice(0)) run(gone.graceful)
  })

  const session = {
    id: socket.id,
    principal,
    isOpen: () => gone === undefined && socket.connected,
    send: (type, payload) => tell(type, JSON.stringify(payload)),
    sendEvents: ({ json }) => tell('events', json),
    ask,
    enter: (audience) => void socket.join(audience),
    exit: (audience) => void socket.leave(audience),
    drained,
    renew,
    expireAt,
    onClose: (run) => {
      if (gone === undefined) listeners.push(run)
      else run(gone.graceful)
    },
    close,
  } satisfies Session
  session.enter(audienceOf.principal(principal.id))
  return session

  function tell(type: PushType, json: string): void {
    if (socket.connected) fanOut.tell([socket], type, json)
  }

  function ask<T extends PushType>(type: T, payload: Push<T>): Promise<boolean> {
    if (gone !== undefined) return Promise.resolve(false)
    return new Promise((resolve) => {
      asked.add(resolve)
      socket.emit(type, payload, () => {
        asked.delete(resolve)
        resolve(true)
      })
    })
  }

  function drained(): Promise<void> {
    const { conn } = socket
    if (gone !== undefined) return Promise.resolve()
    // engine.io keeps what it has not handed to the transport yet in this buffer, and says `drain` when it is empty.
    const isQueued = (conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length > 0
    const full = isQueued ? conn : pushOut(socket)
    if (full === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        full.off('drain', done)
        conn.off('close', done)
        resolve()
      }
      full.on('drain', done)
      conn.on('close', done)
    })
  }

  function renew(proof: { principal: Principal; expires_at_ms: number | null }): boolean {
    if (hasEnded(proof.principal)) return false
    session.principal = proof.principal
    expireAt(proof.expires_at_ms)
    return true
  }

  function expireAt(ms: number | null): void {
    if (ms === expires_ms) return
    expires_ms = ms
    cancelExpiry?.()
    cancelExpiry = undefined
    if (ms === null) return
    at(ms - EXPIRING_MS, () => {
      session.send('auth.expiring', { at: isoTime(ms) })
      at(ms + GRACE_MS, () => close(closeCodes.CREDENTIALS_EXPIRED, 'The credentials have expired'))
    })
  }

  /** In steps: no timer waits for longer than some weeks, and a key may be good for years. */
  function at(ms: number, run: () => void): void {
    const wait_ms = Math.min(ms - clock.now(), LONGEST_WAIT_MS)
    cancelExpiry = clock.after(wait_ms, () => (clock.now() >= ms ? run() : at(ms, run)))
  }

  function close(code: CloseCode, reason: string): void {
    meter.closing(code)
    session.send('closing', { code, reason })
    if (code < 4400) socket.conn.close()
    else socket.disconnect(true)
  }
}
