import { z } from 'zod'
import { profileSchema } from '../access/profile.ts'
import { keyScopeSchema } from '../access/scopes.ts'
import { bySchema, idSchema, permissionsPatchSchema, permissionsSchema, timeSchema } from '../primitives.ts'
import { keyEndReasons } from '../states.ts'
import { flagRecordsSchema } from './flag-records.ts'
import type { HttpRow } from './http-row.ts'
import { pageOf, pageQuery } from './lists.ts'
import { ratesPatchSchema } from './rates.ts'

const nameSchema = z.string().trim().min(1).max(200)
const walletSchema = z.string().regex(/^0x[0-9a-fA-F]{40}$/)
const reasonSchema = z.string().trim().min(1).max(500)
const apiKeySchema = z.string().max(200)

/** A week: so long at most the old secret may go on beside the new one. */
export const LONGEST_GRACE_S = 604_800

/** At most so many keys may be good at once; a key and the one that it is being replaced by count as one. */
export const MOST_AGENT_KEYS = 5

/** What everybody who is signed in may know of an agent, and what itself, its owner and staff see beside it. */
const agentSchema = z.object({
  agent_id: idSchema,
  name: z.string(),
  created_at: timeSchema,
  owner_id: idSchema.nullable().exactOptional(),
  wallet_address: z.string().nullable().exactOptional(),
  permissions: permissionsSchema.exactOptional(),
})

/** All flags, and who set them last since registration. */
const grantedSchema = permissionsSchema.extend({
  set: z.object({ by: bySchema, at: timeSchema }).exactOptional(),
  flags: flagRecordsSchema,
})

/** Shown once: the key is in no other answer. */
const issuedSchema = z.object({
  key_id: idSchema,
  api_key: z.string(),
  prefix: z.string(),
  last4: z.string(),
  scopes: z.array(keyScopeSchema),
  expires_at: timeSchema.nullable(),
  profile: profileSchema.exactOptional(),
})

const agentKeySchema = z.object({
  key_id: idSchema,
  name: z.string().nullable(),
  prefix: z.string(),
  last4: z.string(),
  scopes: z.array(keyScopeSchema),
  rates: ratesPatchSchema.exactOptional(),
  profile: profileSchema.exactOptional(),
  status: z.enum(['active', 'revoked']),
  created_at: timeSchema,
  created_by: bySchema,
  /** When it was first used; null = never yet. */
  activated_at: timeSchema.nullable(),
  expires_at: timeSchema.nullable(),
  /** To about ten seconds; so is the number of requests, handshakes and frames. */
  last_used_at: timeSchema.nullable(),
  uses: z.int(),
  rotated_from: idSchema.exactOptional(),
  rotated_to: idSchema.exactOptional(),
  ended: z.object({ at: timeSchema, by: bySchema, reason: z.enum(keyEndReasons) }).exactOptional(),
})

export const keyHistoryTypes = ['created', 'rotated', 'activated', 'revoked', 'expired'] as const

const historySchema = z.object({
  key_id: idSchema,
  items: z.array(
    z.object({
      type: z.enum(keyHistoryTypes),
      at: timeSchema,
      by: bySchema,
      reason: z.string().exactOptional(),
      /** The key that it replaced, or that replaced it. */
      key_id: idSchema.exactOptional(),
    }),
  ),
  first_used_at: timeSchema.nullable(),
  last_used_at: timeSchema.nullable(),
  uses: z.int(),
})

export const agentHttp = {
  'POST /agents': {
    who: 'anyone',
    about: 'registers an agent; the key is shown this once and stored as an HMAC only; the address is `0x` and 40 hex digits',
    status: 201,
    refuses: ['UNAUTHENTICATED'],
    body: z.strictObject({ name: nameSchema, wallet_address: walletSchema.exactOptional() }),
    answer: z.object({ agent_id: idSchema, api_key: z.string(), warnings: z.array(z.string()) }),
  },
  'GET /agents': {
    who: 'principal',
    about: 'a list: of staff all agents, of others what they own, of an agent itself',
    query: z.strictObject(pageQuery(['created_at'])),
    answer: pageOf(agentSchema),
  },
  'GET /agents/:id': {
    who: 'principal',
    about: 'its name; its owner, wallet and permissions for itself, its owner and staff',
    versioned: true,
    answer: agentSchema,
  },
  'PATCH /agents/:id': {
    who: 'the agent itself',
    about: 'the agent with another name or wallet',
    versioned: true,
    body: z.strictObject({ name: nameSchema.exactOptional(), wallet_address: walletSchema.nullable().exactOptional() }),
    answer: agentSchema,
  },
  'GET /agents/:id/permissions': {
    who: 'the agent, its owner, staff',
    about:
      'what it may do at most; under `flags` who set each, when, what used it last, what was refused; `If-Match` goes by the flags alone',
    versioned: true,
    refuses: ['PERMISSION_DENIED'],
    answer: grantedSchema,
  },
  'PUT /agents/:id/permissions': {
    who: 'its owner, staff',
    about: 'sets some flags, and answers all; an event in every open contract',
    versioned: true,
    body: permissionsPatchSchema,
    answer: grantedSchema,
  },
  'POST /agents/:id/claim': {
    who: 'a user',
    about: 'becomes the owner of an agent that nobody owns',
    versioned: true,
    refuses: ['ALREADY_EXISTS'],
    body: z.strictObject({ api_key: apiKeySchema }),
    answer: agentSchema,
  },
  'POST /agents/:id/keys': {
    who: 'the agent, its owner, admin',
    about: 'issues another key, shown this once; `rates` are given by an admin; docs/PROTOCOL.md says what a `profile` is',
    status: 201,
    refuses: ['KEY_LIMIT_REACHED', 'PROFILE_VIOLATED'],
    body: z.strictObject({
      name: nameSchema.exactOptional(),
      scopes: z.array(keyScopeSchema).min(1).max(20).exactOptional(),
      expires_at: timeSchema.nullable().exactOptional(),
      rates: ratesPatchSchema.exactOptional(),
      profile: profileSchema.exactOptional(),
    }),
    answer: issuedSchema,
  },
  'GET /agents/:id/keys': {
    who: 'the agent, its owner, staff',
    about: 'a list of its keys, ended ones too',
    query: z.strictObject(pageQuery(['created_at'])),
    answer: pageOf(agentKeySchema),
  },
  'POST /agents/:id/keys/:key_id/rotations': {
    who: 'the agent, its owner, admin',
    about: "issues the key in its place, shown this once; the old one ends so long after the new one's first use, with 0 at once",
    status: 201,
    refuses: ['KEY_NOT_ACTIVE', 'PROFILE_VIOLATED'],
    body: z.strictObject({ grace_period_s: z.int().min(0).max(LONGEST_GRACE_S), reason: reasonSchema.exactOptional() }),
    answer: issuedSchema,
  },
  'DELETE /agents/:id/keys/:key_id': {
    who: 'the agent, its owner, staff',
    about: 'the key is good no more; it stays in the list and its history',
    status: 204,
    refuses: ['LAST_KEY'],
    query: z.strictObject({ reason: reasonSchema.exactOptional() }),
  },
  'GET /agents/:id/keys/:key_id/history': {
    who: 'the agent, its owner, staff',
    about: 'what became of it, when, by whom and why',
    answer: historySchema,
  },
} as const satisfies Record<string, HttpRow>

export type AgentAnswer = z.infer<typeof agentSchema>
export type AgentKeyAnswer = z.infer<typeof agentKeySchema>
export type KeyHistoryAnswer = z.infer<typeof historySchema>
export type KeyHistoryType = (typeof keyHistoryTypes)[number]
