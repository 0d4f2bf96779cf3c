import { z } from 'zod'
import { auditActorSchema, auditSubjectSchema, checkpointKeySchema, checkpointSchema, logVerdictSchema } from '../log/audit.ts'
import { severities } from '../log/audit-types.ts'
import { idSchema, seqSchema, timeSchema } from '../primitives.ts'
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
    answer: z.object({ ok: z.boolean(), streams: z.array(z.object({ stream: z.string(), ...logVerdictSchema.shape })) }),
  },
  'GET /audit/keys': { answer: z.object({ keys: z.array(checkpointKeySchema) }) },
  'GET /contracts/:id/log/verify': { answer: logVerdictSchema },
  'GET /contracts/:id/log/checkpoints': { answer: z.object({ items: z.array(checkpointSchema) }) },
} as const
