import { z } from 'zod'
import { wireEventSchema } from '../log/events.ts'
import { epochSchema, idSchema, permissionsPatchSchema, permissionsSchema, seqSchema, timeSchema, valueSchema } from '../primitives.ts'
import { contractStates } from '../states.ts'
import { accessViewSchema } from '../views.ts'
import { boundKeySchema, boundRefusalSchema, flagRecordsSchema } from './flag-records.ts'
import { agentHttp } from './http-agents.ts'
import { auditHttp } from './http-audit.ts'
import { hubHttp } from './http-hub.ts'
import type { HttpRow } from './http-row.ts'
import { userHttp } from './http-users.ts'
import { count, pageOf, pageQuery } from './lists.ts'

/** What the contract permits; what is in force, for both must allow it; what its agent may by itself; and who changed a flag last. */
const permittedSchema = permissionsSchema.extend({
  in_force: permissionsSchema,
  agent: permissionsSchema.exactOptional(),
  set: accessViewSchema.shape.set,
  flags: flagRecordsSchema,
  /** Of the agent: its good keys with what bounds them, and which bounds were run into here. */
  keys: z.array(boundKeySchema),
  refused_bounds: z.array(boundRefusalSchema),
})

export const http = {
  ...agentHttp,
  ...userHttp,
  'POST /contracts': {
    who: 'operator, or that requester',
    about: 'opens a contract with its room',
    status: 201,
    refuses: ['PERMISSION_DENIED', 'PROFILE_VIOLATED'],
    body: z.strictObject({
      title: z.string().trim().min(1).max(300),
      requester_id: idSchema,
      provider_id: idSchema,
      permissions: permissionsPatchSchema.exactOptional(),
      value: valueSchema.strict().exactOptional(),
    }),
    answer: z.object({ contract_id: idSchema }),
  },
  'GET /contracts/:id': {
    who: 'parties, staff',
    about: 'the contract, with `head` and `epoch` of its log',
    versioned: true,
    answer: z.object({
      contract_id: idSchema,
      title: z.string(),
      state: z.enum(contractStates),
      requester_id: idSchema,
      provider_id: idSchema,
      permissions: permissionsSchema,
      value: valueSchema.exactOptional(),
      opened_at: timeSchema,
      ended_at: timeSchema.exactOptional(),
      outcome: z.string().exactOptional(),
      head: seqSchema,
      epoch: epochSchema,
    }),
  },
  'GET /contracts': {
    who: 'principal',
    about:
      'a list of those that you are a party to, with the names of the two; staff see all; `sort_by=last_activity_at` (some seconds late) or `opened_at`',
    query: z.strictObject({
      ...pageQuery(['opened_at', 'last_activity_at']),
      state: z.enum(contractStates).exactOptional(),
    }),
    answer: pageOf(
      z.object({
        contract_id: idSchema,
        title: z.string(),
        state: z.enum(contractStates),
        requester_id: idSchema,
        provider_id: idSchema,
        /** Who the two are, as far as they are known. */
        parties: z.array(z.object({ id: idSchema, kind: z.enum(['user', 'agent']), name: z.string() })),
        permissions: permissionsSchema,
        value: valueSchema.exactOptional(),
        opened_at: timeSchema,
        /** When something was last done in the room; some seconds late. */
        last_activity_at: timeSchema,
        ended_at: timeSchema.exactOptional(),
        outcome: z.string().exactOptional(),
      }),
    ),
  },
  'GET /contracts/:id/permissions': {
    who: 'parties, staff',
    about:
      "the contract's flags, those in force, the agent's, who set them last; under `flags` of each of the contract's who set it, when, what used it last, what was refused; under `keys` the profiles of the agent's keys",
    versioned: true,
    answer: permittedSchema,
  },
  'PUT /contracts/:id/permissions': {
    who: 'requester, staff',
    about: 'sets some of the flags, and answers all; an event of the room',
    versioned: true,
    refuses: ['CONTRACT_ENDED'],
    body: permissionsPatchSchema,
    answer: permittedSchema,
  },
  'GET /contracts/:id/events': {
    who: 'parties, staff',
    about: 'the events of the log: at most 500 or 128 KB, in the order of `seq`, behind `after`; `head` says whether there are more',
    query: z.strictObject({
      after: count({ min: 0, max: 999_999_999_999, fallback: 0 }),
      limit: count({ min: 1, max: 500, fallback: 200 }),
    }),
    answer: z.object({ events: z.array(wireEventSchema), head: seqSchema, epoch: epochSchema }),
  },
  'GET /contracts/:id/search': {
    who: 'parties, staff',
    about: 'a list of the events with all the words, newest first',
    query: z.strictObject({ q: z.string().trim().min(1).max(200), ...pageQuery(['seq']) }),
    answer: pageOf(wireEventSchema),
  },
  'GET /contracts/:id/calls/:call_id/text': {
    who: 'parties, staff',
    about: 'the streamed output of a call, as text; `X-Content-SHA256` is its seal when the call has ended',
    media: 'text/plain',
  },
  ...auditHttp,
  ...hubHttp,
} as const satisfies Record<string, HttpRow>

export type ContractSummary = z.infer<(typeof http)['GET /contracts/:id']['answer']>
