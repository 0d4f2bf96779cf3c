import { z } from 'zod'
import { profileRules, profileSchema } from '../access/profile.ts'
import { bySchema, idSchema, type permissionFlags, seqSchema, timeSchema } from '../primitives.ts'
import { refusingSides } from '../states.ts'

/** What used a permission last: a frame or a route, in which contract, and the event that it made. Rooms are told to who may read them. */
const useSchema = z.object({ at: timeSchema, what: z.string(), contract_id: idSchema.exactOptional(), seq: seqSchema.exactOptional() })

/** What was last refused for want of it, and whose the missing permission was. */
const refusalSchema = z.object({
  at: timeSchema,
  what: z.string(),
  contract_id: idSchema.exactOptional(),
  denied_by: z.enum(refusingSides),
})

/** What has become of a permission. Of another hub's doings it may be half a minute old, and a crash forgets as much. */
const flagRecordSchema = z.object({
  /** Who set it as it is, and when. */
  granted_by: bySchema,
  granted_at: timeSchema,
  last_used: useSchema.nullable(),
  refusals: z.int(),
  last_refused: refusalSchema.nullable(),
})

export const flagRecordsSchema = z.object({
  can_read_attachments: flagRecordSchema,
  can_access_web: flagRecordSchema,
  can_run_code_sandbox: flagRecordSchema,
  can_message_requester: flagRecordSchema,
} satisfies Record<(typeof permissionFlags)[number], typeof flagRecordSchema>)

/** Refused because the profile of a key bounds it. */
export const boundRefusalSchema = z.object({ rule: z.enum(profileRules), refusals: z.int(), last_refused: refusalSchema })

/**
 * A good key of the agent, as the parties of its contracts see it: what bounds it, and nothing that helps to use it. With which other
 * agents it may deal is theirs; how many they are is told.
 */
export const boundKeySchema = z.object({
  key_id: idSchema,
  issued_at: timeSchema,
  expires_at: timeSchema.nullable(),
  profile: profileSchema.omit({ allowed_agents: true }).extend({ allowed_agents_count: z.int().exactOptional() }).nullable(),
})

export type BoundRefusal = z.infer<typeof boundRefusalSchema>
export type BoundKey = z.infer<typeof boundKeySchema>
export type FlagUse = z.infer<typeof useSchema>
export type FlagRefusal = z.infer<typeof refusalSchema>
export type FlagRecord = z.infer<typeof flagRecordSchema>
export type FlagRecords = z.infer<typeof flagRecordsSchema>
