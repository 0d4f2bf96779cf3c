import { z } from 'zod'
import { hashSchema, seqSchema, timeSchema } from '../primitives.ts'
import { type AuditType, auditTypes, severities } from './audit-types.ts'
import type { EventDraft } from './events.ts'

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

/** A hub's word for a place of a log: at this moment, its log had this event last. A log that ends before it, or has another chain there, was changed. */
export const checkpointSchema = z.object({
  stream: z.string().min(1).max(100),
  seq: seqSchema.min(1),
  chain: hashSchema,
  at: timeSchema,
  /** Of the key that signed it (`GET /audit/keys`). */
  kid: z.string().min(1).max(100),
  /** Ed25519, base64url. */
  signature: z.string().regex(/^[\w-]{86}$/),
})
export type Checkpoint = z.infer<typeof checkpointSchema>

/** A public key as a JWK (RFC 8037). */
export const checkpointKeySchema = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().regex(/^[\w-]{43}$/),
  kid: z.string(),
  use: z.literal('sig'),
  alg: z.literal('EdDSA'),
})
export type CheckpointKey = z.infer<typeof checkpointKeySchema>

/** What was found where a log does not hold together. */
export const logFaults = {
  missing: 'an event is missing: the log goes on behind it',
  changed: 'the event was changed, or another was put in its place',
  not_tied: 'the event is not tied to the one before it',
  cut_short: 'the log ends before a place that it is known to have had',
  checkpoint_differs: 'a checkpoint was signed over another chain: the log was made anew up to here',
  checkpoint_forged: 'a checkpoint here was not signed by the hub',
} as const
export type LogFault = keyof typeof logFaults

export const logVerdictSchema = z.object({
  ok: z.boolean(),
  /** The last event that holds together with all before it. */
  head: seqSchema,
  chain: hashSchema,
  /** The place of the newest checkpoint that agrees; 0 = none. What lies behind it could still be cut off unseen. */
  checkpoint: seqSchema,
  first_bad: seqSchema.exactOptional(),
  fault: z.enum(Object.keys(logFaults) as [LogFault, ...LogFault[]]).exactOptional(),
  detail: z.string().exactOptional(),
})
export type LogVerdict = z.infer<typeof logVerdictSchema>

/** One line of `GET /audit/export`. */
export const auditExportLineSchema = z.discriminatedUnion('kind', [
  /** What follows is of this stream, behind this place. */
  z.object({ kind: z.literal('stream'), stream: z.string(), after: seqSchema, chain: hashSchema }),
  /** As it was sealed: every member counts in its digest. */
  z.object({ kind: z.literal('event'), event: z.looseObject({ seq: seqSchema, type: z.string(), chain: hashSchema }) }),
  z.object({ kind: z.literal('checkpoint'), ...checkpointSchema.shape }),
  /** The last line: without it the export was cut off. */
  z.object({ kind: z.literal('end'), streams: z.int(), events: z.int(), checkpoints: z.int() }),
])
export type AuditExportLine = z.infer<typeof auditExportLineSchema>
