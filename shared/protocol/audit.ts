import { z } from 'zod'
import { type AuditType, auditTypes, severities } from './audit-types.ts'
import type { EventDraft } from './events.ts'
import { timeSchema } from './primitives.ts'

export const auditActorTypes = ['human', 'agent', 'system', 'anonymous'] as const

/** Who did it: a user, an agent, the hub itself, or whoever sits at a network address without credentials. */
export const auditActorSchema = z.object({ type: z.enum(auditActorTypes), id: z.string().max(200) })
export type AuditActor = z.infer<typeof auditActorSchema>

/** What it was done to: `agent`, `key`, `user`, `contract`, `call`, `session`, `door` … */
export const auditSubjectSchema = z.object({ type: z.string().min(1).max(40), id: z.string().max(200) })
export type AuditSubject = z.infer<typeof auditSubjectSchema>

/** What an event of the audit trail holds beside its place. Free of secrets, and bounded. */
export const auditDataSchema = z.object({
  severity: z.enum(severities),
  actor: auditActorSchema,
  subject: auditSubjectSchema,
  correlation_id: z.string().max(100).exactOptional(),
  /** The `event_id` of what led to it. */
  causation_id: z.string().max(100).exactOptional(),
  key_id: z.string().max(100).exactOptional(),
  task_id: z.string().max(100).exactOptional(),
  /** The agents that it concerns, whose owners may read it. */
  agent_ids: z.array(z.string()).max(10).exactOptional(),
  metadata: z.record(z.string(), z.unknown()),
  /** So many of one kind by one source, the first of them at `first_at`; one when it is left out. */
  count: z.int().min(1).exactOptional(),
  first_at: timeSchema.exactOptional(),
})
export type AuditData = z.infer<typeof auditDataSchema>

/** An event of the audit trail before it has its place. */
export interface AuditEventDraft {
  type: AuditType
  data: AuditData
}

/** What any log takes: of a room, or of the audit trail. */
export type LogDraft = EventDraft | AuditEventDraft

export function isAuditType(type: string): type is AuditType {
  return Object.hasOwn(auditTypes, type)
}
