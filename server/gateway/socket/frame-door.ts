import type { Socket } from 'socket.io'
import { v4 as uuid } from 'uuid'
import { type FieldError, frames as frameTable, type Limits, ParleyError } from '../../../shared/protocol/index.ts'
import type { DoorWatch } from '../../pipeline/door-watch.ts'
import type { Receive } from '../../pipeline/receive.ts'
import type { Session } from '../../pipeline/session.ts'
import type { FanOut } from '../delivery/fan-out.ts'
import { measuredOf } from '../delivery/measured-parser.ts'
import type { LogEvent } from '../logger.ts'
import type { Meter } from '../meter.ts'
import { refusalOf } from '../problem.ts'
import { type Budget, type FrameLimits, type MeasuredFrame, roomFrames } from './frame-limits.ts'

export interface DoorDeps {
  limits: Limits
  frameLimits: FrameLimits
  fanOut: FanOut
  meter: Meter
  logEvent: LogEvent
  onTurnedAway: DoorWatch
  isOverloaded(): boolean
  /** Undefined while the hub starts, and once it goes away. */
  receive(): Receive | undefined
}

/** One connection at the door. */
interface Guest {
  socket: Socket
  session: Session
  budget: Budget
}

/** Hands every frame of a socket to the road, within its limits, and brings back the acknowledgement. */
export function createDoor(deps: DoorDeps) {
  const { limits, meter, logEvent, fanOut, frameLimits } = deps

  function open(socket: Socket, session: Session): void {
    const guest: Guest = { socket, session, budget: frameLimits.of(session) }
    // A middleware, for only here the packet is at hand as it was measured; nothing listens behind it.
    socket.use((packet: unknown[]) => take(guest, packet))
  }

  function take(guest: Guest, packet: unknown[]): void {
    const [name, ...args] = packet
    // Socket.IO lets a number name an event.
    const type = String(name)
    const { bytes: size, id } = measuredOf(packet)
    const answer =
      typeof args.at(-1) === 'function' ? answerOnce(guest.socket, { id, reply: args.pop() as (answer: unknown) => void }) : () => 0
    const [payload, ...others] = args
    carryOut(guest, { type, payload, others, size, answer }).catch((error: unknown) =>
      refuse(guest.session, { type, contract_id: contractIdOf(payload), answer }, error),
    )
  }

  function answerOnce(socket: Socket, to: Parameters<FanOut['answer']>[1]): (answer: object) => number {
    let isAnswered = false
    return (answer) => {
      const length = isAnswered ? 0 : fanOut.answer(socket, to, answer)
      isAnswered = true
      return length
    }
  }

  async function carryOut(
    { session, budget }: Guest,
    {
      type,
      payload,
      others,
      size,
      answer,
    }: { type: string; payload: unknown; others: unknown[]; size: number; answer(answer: object): number },
  ): Promise<void> {
    const frame: MeasuredFrame = { type, bytes: size, contract_id: contractIdOf(payload) }
    const wait_ms = budget.take(frame)
    if (wait_ms > 0) throw new ParleyError('RATE_LIMITED', { retry_after_ms: wait_ms })
    if (size > limits.frame_bytes) throw new ParleyError('FRAME_TOO_LARGE', { bytes: size, frame_bytes: limits.frame_bytes })
    if (others.length > 0) throw invalid({ pointer: '', detail: 'a frame has one payload' })
    if (deps.isOverloaded()) throw new ParleyError('OVERLOADED')
    const receive = deps.receive()
    if (receive === undefined) throw new ParleyError('UNAVAILABLE')
    const { ack, afterwards } = await receive(session, type, payload).catch((error: unknown) => {
      if (error instanceof ParleyError && error.code === 'NOT_FOUND') budget.strange(frame)
      throw error
    })
    budget.accepted(frame)
    const length = answer({ ok: true, ...ack() })
    meter.frame(type, 'ok')
    afterwards?.(length)
  }

  function refuse(
    session: Session,
    { type, contract_id, answer }: Pick<MeasuredFrame, 'type' | 'contract_id'> & { answer(answer: object): number },
    error: unknown,
  ): void {
    const correlation_id = uuid()
    const { refusal, ours } = refusalOf(error, correlation_id)
    const about = {
      correlation_id,
      frame: type.slice(0, 100),
      code: refusal.code,
      principal_id: session.principal.id,
      connection_id: session.id,
    }
    // A name that a stranger made up is no label.
    const known = Object.hasOwn(frameTable, type) ? type : 'unknown'
    meter.frame(known, refusal.code)
    // Any other frame may hold the name of a room that its sender never saw.
    const subject = roomFrames.has(type) ? { subject: { type: 'contract', id: contract_id } } : {}
    deps.onTurnedAway({ error, door: `frame ${known}`, principal: session.principal, shown: true, ip: '', correlation_id, ...subject })
    if (ours) logEvent('error', 'frame.failed', { ...about, error })
    else logEvent('debug', 'frame.refused', about)
    answer({ ok: false, error: refusal })
  }

  return { open }
}

function contractIdOf(payload: unknown): string | undefined {
  if (typeof payload !== 'object' || payload === null || !('contract_id' in payload)) return undefined
  return typeof payload.contract_id === 'string' ? payload.contract_id.slice(0, 64) : undefined
}

function invalid(error: FieldError): ParleyError {
  return new ParleyError('FRAME_INVALID', { errors: [error] })
}
