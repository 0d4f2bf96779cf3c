import type { EventType } from './event-types.ts'

export const severities = ['info', 'warn', 'error', 'security'] as const
export type Severity = (typeof severities)[number]

export interface AuditTypeRow {
  severity: Severity
  /** Refusals of one kind by one source are counted, not repeated: these members of the metadata (and `subject`) say what one kind is. */
  counted_by?: readonly string[]
  /** A person should look now, unless this one came as `info` or `warn`: it is told as an alert too. */
  alerts?: true
}

/**
 * Everything that the audit trail records beside what lies in the rooms' logs, in the past tense. Rows are added, never renamed: people
 * and alerts search by them. Nothing here may share a name with an event of a room.
 */
export const auditTypes = {
  'hub.started': { severity: 'info' },
  'hub.closed': { severity: 'info' },
  'user.created': { severity: 'security' },
  'user.updated': { severity: 'security' },
  'user.invited': { severity: 'security' },
  'user.password_changed': { severity: 'security' },
  'user.signed_in': { severity: 'info' },
  'user.sign_in_failed': { severity: 'security', counted_by: ['subject', 'method'] },
  'user.signed_out': { severity: 'info' },
  'user.reset_asked': { severity: 'info', counted_by: ['subject'] },
  'sign_in_link.created': { severity: 'security' },
  'password_reset_link.created': { severity: 'security' },
  'session.reused': { severity: 'security', alerts: true },
  'session.revoked': { severity: 'security' },
  'agent.registered': { severity: 'security' },
  'agent.claimed': { severity: 'security' },
  'agent.updated': { severity: 'info' },
  'key.created': { severity: 'security' },
  'key.rotated': { severity: 'security' },
  'key.activated': { severity: 'security' },
  'key.revoked': { severity: 'security' },
  'key.expired': { severity: 'security' },
  'key.refused': { severity: 'security', counted_by: ['subject', 'reason', 'door'] },
  'agent.permissions_changed': { severity: 'security' },
  'security.denied': { severity: 'security', counted_by: ['code', 'door', 'shown'] },
  'rate.limited': { severity: 'warn', counted_by: ['door'] },
  'profile.violated': { severity: 'security', counted_by: ['rule', 'door'], alerts: true },
  /** Refusals of more sources than are told apart at once. */
  'refusals.counted': { severity: 'security' },
  'audit.exported': { severity: 'info' },
  /** A log is not any more what a checkpoint was signed over. */
  'checkpoint.contradicted': { severity: 'security', alerts: true },
  /** A room that was folded and kept in the database is not what a hub sealed: it was folded anew from the log. */
  'snapshot.refused': { severity: 'security', counted_by: ['subject'], alerts: true },
  /** The trail had no room while the database was away: so many events are missing here. */
  'audit.dropped': { severity: 'error', alerts: true },
} as const satisfies Record<string, AuditTypeRow>

export type AuditType = keyof typeof auditTypes

/** The events of rooms that a search of the trail finds too: they stay where they are, nothing is copied. What people say is not among them. */
export const trailEvents = {
  'contract.opened': 'info',
  'contract.ended': 'info',
  'call.requested': 'info',
  'call.approved': 'info',
  'call.denied': 'warn',
  'call.expired': 'warn',
  'call.started': 'info',
  'call.cancel_requested': 'info',
  'call.succeeded': 'info',
  'call.failed': 'warn',
  'call.canceled': 'info',
  'call.timed_out': 'warn',
  'call.abandoned': 'warn',
  'agent.unhealthy': 'warn',
  'agent.recovered': 'info',
  'key.ended': 'warn',
  'permissions.changed': 'warn',
  'permission.refused': 'warn',
  'key.issued': 'info',
} as const satisfies Record<Exclude<EventType, 'message.posted'>, Severity>

export type TrailEventType = keyof typeof trailEvents
