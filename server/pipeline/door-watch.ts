import { type AuditSubject, type AuditType, type ErrorCode, idSchema, ParleyError } from '../../shared/protocol/index.ts'
import { isForeign } from '../core/access/foreign.ts'
import type { Principal } from '../core/access/principal.ts'
import { type Audit, askedBy, isInTrail } from './audit.ts'

/** Something that was turned away at one of the hub's doors. */
export interface TurnedAway {
  error: unknown
  /** One of few: a route, a frame, the handshake. Never what a stranger made up. */
  door: string
  principal: Principal | undefined
  /** Whether credentials were shown at all, good or not. */
  shown: boolean
  ip: string
  correlation_id: string
  /** What it was about, as the caller says: kept only if it is an id. */
  subject?: { type: string; id: unknown }
}

export type DoorWatch = (turned_away: TurnedAway) => void

/** Refusals that say something about who asks. The others are slips, and concern nobody but the sender. */
const watched: Partial<Record<ErrorCode, AuditType>> = {
  UNAUTHENTICATED: 'security.denied',
  PERMISSION_DENIED: 'security.denied',
  ORIGIN_DENIED: 'security.denied',
  RATE_LIMITED: 'rate.limited',
}

/** Tells the audit trail who was turned away where. Cheap, for it may be many: the trail counts what is alike. */
export function createDoorWatch(audit: Audit): DoorWatch {
  return ({ error, door, subject, shown, ...asked }) => {
    if (!(error instanceof ParleyError) || isInTrail(error)) return
    const type = isForeign(error) ? 'security.denied' : watched[error.code]
    if (type === undefined) return
    // Who shows nothing tries nothing: a browser that asks whether it is signed in.
    const severity = error.code === 'UNAUTHENTICATED' && !shown ? ({ severity: 'info' } as const) : {}
    const about = { subject: named(subject) ?? { type: 'door', id: door }, metadata: { code: error.code, door, shown } }
    audit.record({ type, ...severity, ...askedBy(asked), ...about })
  }
}

function named(subject: TurnedAway['subject']): AuditSubject | undefined {
  const id = idSchema.safeParse(subject?.id)
  return subject !== undefined && id.success ? { type: subject.type, id: id.data } : undefined
}
