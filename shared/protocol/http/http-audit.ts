import { z } from 'zod'
import { auditActorSchema, auditSubjectSchema, checkpointKeySchema, checkpointSchema, logVerdictSchema } from '../log/audit.ts'
import { severities } from '../log/audit-types.ts'
import { idSchema, seqSchema, timeSchema } from '../primitives.ts'
import type { HttpRow } from './http-row.ts'
import { count, pageOf, pageQuery } from './lists.ts'

const name = z.string().min(1).max(200)

/** An event of the trail as it is shown: of a hub's own stream, or of a room's log. */
export const auditItemSchema = z.object({
  event_id: z.string(),
  at: timeSchema,
  event_type: z.string(),
  severity: z.enum(severities),
  actor: auditActorSchema,
  subject: auditSubjectSchema,
  correlation_id: z.string().exactOptional(),
  /** The `event_id` of what led to it. */
  causation_id: z.string().exactOptional(),
  key_id: z.string().exactOptional(),
  task_id: z.string().exactOptional(),
  metadata: z.record(z.string(), z.unknown()),
  /** It stands for so many of one kind by one source, from `first_at` to `at`. */
  count: z.int().exactOptional(),
  first_at: timeSchema.exactOptional(),
  /** Where it lies: `audit:1`, or `contract:<id>`; and its place there. */
  stream: z.string(),
  seq: seqSchema,
})
export type AuditItem = z.infer<typeof auditItemSchema>

/** What the trail is searched by, and followed by. */
export const auditFilters = {
  /** `key.revoked`, or the family `key`. */
  type: name.exactOptional(),
  /** The id of a user or an agent, or a network address. */
  actor: name.exactOptional(),
  /** `agent:<id>`, `user:<id>`, `contract:<id>`, `call:<id>` … */
  subject: name.regex(/^[a-z_]+:./, 'is a type and an id: agent:<id>').exactOptional(),
  /** Whatever concerns the agent. Who is no staff must name an agent of their own. */
  agent_id: idSchema.exactOptional(),
  task_id: name.exactOptional(),
  key_id: name.exactOptional(),
  severity: z.enum(severities).exactOptional(),
  /** Words that all must be there. */
  q: z.string().trim().min(1).max(200).exactOptional(),
}

export const auditHttp = {
  'GET /audit': {
    who: 'staff; the owner of `agent_id`',
    about:
      "a list of what the audit trail holds: who signed in, what keys and permissions became, what was refused, and the rooms' tool calls; newest first",
    refuses: ['PERMISSION_DENIED', 'NOT_FOUND'],
    query: z.strictObject({
      ...pageQuery(['at']),
      ...auditFilters,
      from: timeSchema.exactOptional(),
      to: timeSchema.exactOptional(),
    }),
    answer: pageOf(auditItemSchema),
  },
  /** Lines of JSON (`auditExportLineSchema`), as many as there are. */
  'GET /audit/export': {
    who: 'staff',
    about: 'the trail as lines of JSON, each event as it was sealed, with its checkpoints',
    media: 'application/x-ndjson',
    refuses: ['PERMISSION_DENIED'],
    query: z
      .strictObject({
        stream: z
          .string()
          .regex(/^audit:\d{1,9}$/, 'is a stream of the trail: audit:1')
          .exactOptional(),
        after: count({ min: 0, max: 999_999_999_999, fallback: 0 }),
      })
      .refine(({ stream, after }) => after === 0 || stream !== undefined, {
        path: ['after'],
        error: 'is a place in one `stream`: name it',
      }),
  },
  'GET /audit/verify': {
    who: 'staff',
    about: 'every stream of the trail, hashed anew',
    refuses: ['PERMISSION_DENIED'],
    answer: z.object({ ok: z.boolean(), streams: z.array(z.object({ stream: z.string(), ...logVerdictSchema.shape })) }),
  },
  'GET /audit/keys': {
    who: 'anyone',
    about: 'the public keys (JWK, Ed25519) that checkpoints are signed with',
    answer: z.object({ keys: z.array(checkpointKeySchema) }),
  },
  'GET /contracts/:id/log/verify': {
    who: 'parties, staff',
    about: 'the log, hashed anew from the database; `first_bad` is the seq at which it breaks',
    answer: logVerdictSchema,
  },
  'GET /contracts/:id/log/checkpoints': {
    who: 'parties, staff',
    about: 'the places of the log that the hub has signed, in the order of `seq`, behind `after`; an empty page is the last',
    query: z.strictObject({
      after: count({ min: 0, max: 999_999_999_999, fallback: 0 }),
      limit: count({ min: 1, max: 10_000, fallback: 10_000 }),
    }),
    answer: z.object({ items: z.array(checkpointSchema) }),
  },
} as const satisfies Record<string, HttpRow>
