import { type AuditSubject, type AuditType, type ErrorCode, idSchema, ParleyError, type Severity } from '../../shared/protocol/index.ts'
import { endedKeyOf } from '../core/access/ended-key.ts'
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
  PROFILE_VIOLATED: 'profile.violated',
}

/** Bounds of how much: who runs into one is busy. The others say what a key is not for. */
const QUANTITY = /^max_/

/** Tells the audit trail who was turned away where. Cheap, for it may be many: the trail counts what is alike. */
export function createDoorWatch(audit: Audit): DoorWatch {
  return ({ error, door, subject, shown, ...asked }) => {
    if (!(error instanceof ParleyError) || isInTrail(error)) return
    const ended = endedKeyOf(error)
    if (ended !== undefined) {
      const { key_id, agent_id, reason } = ended
      const about = { key_id, agent_ids: [agent_id], subject: { type: 'key', id: key_id }, metadata: { reason, door } }
      audit.record({ type: 'key.refused', ...askedBy(asked), ...about })
      return
    }
    const type = isForeign(error) ? 'security.denied' : watched[error.code]
    if (type === undefined) return
    // Who shows nothing tries nothing: a browser that asks whether it is signed in.
    const severity = error.code === 'UNAUTHENTICATED' && !shown ? ({ severity: 'info' } as const) : {}
    const metadata = { code: error.code, door, shown }
    const about = { subject: named(subject) ?? { type: 'door', id: door }, metadata }
    audit.record({ type, ...severity, ...askedBy(asked), ...about, ...violated(error, metadata) })
  }
}

/** Which bound of a profile it was, and why. */
function violated({ code, facts }: ParleyError, metadata: object) {
  if (code !== 'PROFILE_VIOLATED') return {}
  const rule = String(facts['rule'])
  const severity: Severity = QUANTITY.test(rule) ? 'warn' : 'security'
  return { severity, metadata: { ...metadata, rule, reason: facts.detail } }
}

function named(subject: TurnedAway['subject']): AuditSubject | undefined {
  const id = idSchema.safeParse(subject?.id)
  return subject !== undefined && id.success ? { type: subject.type, id: id.data } : undefined
}
