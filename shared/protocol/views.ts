import { z } from 'zod'
import {
  bySchema,
  idSchema,
  jsonSchema,
  permissionFlagSchema,
  permissionsSchema,
  seqSchema,
  timeSchema,
  valueSchema,
} from './primitives.ts'
import { callStates, contractStates, roomRoles } from './states.ts'

export const contractViewSchema = z.object({
  title: z.string(),
  state: z.enum(contractStates),
  requester_id: idSchema,
  provider_id: idSchema,
  opened_at: timeSchema,
  ended_at: timeSchema.exactOptional(),
  outcome: z.string().exactOptional(),
  reason: z.string().exactOptional(),
  value: valueSchema.exactOptional(),
})

/** Who drives the contract now. `term` counts the changes. */
export const floorSchema = z.object({ holder: z.string(), kind: z.enum(['agent', 'user']), term: z.int(), since: timeSchema })

export const memberSchema = z.object({
  id: z.string(),
  kind: z.enum(['user', 'agent']),
  role: z.enum(roomRoles),
  name: z.string().exactOptional(),
  connected: z.boolean(),
  typing: z.boolean().exactOptional(),
  /** The last event it has read, as far as it told (`cursor.set`). */
  cursor: seqSchema.exactOptional(),
})

export const toolViewSchema = z.object({
  name: z.string(),
  description: z.string(),
  input_schema: jsonSchema,
  requires_approval: z.boolean(),
  risk: z.enum(['low', 'high']),
  timeout_ms: z.int().exactOptional(),
})

export const callViewSchema = z.object({
  call_id: idSchema,
  seq: seqSchema,
  tool: z.string(),
  input: jsonSchema,
  by: bySchema,
  state: z.enum(callStates),
  requested_at: timeSchema,
  deadline: timeSchema,
  requires_approval: z.boolean(),
  risk: z.enum(['low', 'high']),
  session_id: idSchema.exactOptional(),
  cancel_requested: z.boolean().exactOptional(),
  /** The streamed output so far, and the `seq` of the chunk that comes next. */
  text: z.string().exactOptional(),
  next_seq: z.int().exactOptional(),
})

const setSchema = z.partialRecord(permissionFlagSchema, z.object({ by: bySchema, at: timeSchema, seq: seqSchema }))

/** What has become of anyone's right to be here. Absent until the log tells of it. */
export const accessViewSchema = z.object({
  /** Keys of the parties that ended while the contract was open: the newest hundred. */
  ended_keys: z.array(idSchema).exactOptional(),
  /** What the provider's agent may do at most by itself; `permissions` of the room is what the contract permits. */
  grants: permissionsSchema.exactOptional(),
  grants_version: z.int().exactOptional(),
  /** Who changed a flag last, since the contract was opened. */
  set: z.object({ contract: setSchema.exactOptional(), agent: setSchema.exactOptional() }).exactOptional(),
})

/**
 * A room at one place of its log. What `evolve` folds, and over it what is not history: who is connected (`members`), what the
 * provider registered (`tools`), the text of running calls.
 */
export const roomViewSchema = z.object({
  seq: seqSchema,
  contract: contractViewSchema.nullable(),
  floor: floorSchema,
  permissions: permissionsSchema,
  agent: z.object({ health: z.enum(['ok', 'unhealthy']), since: timeSchema.exactOptional() }),
  members: z.array(memberSchema),
  tools: z.array(toolViewSchema),
  calls: z.array(callViewSchema),
  /** Calls that wait for a human's approval, by id. */
  approvals: z.array(idSchema),
  access: accessViewSchema.exactOptional(),
})

export type ContractView = z.infer<typeof contractViewSchema>
export type Floor = z.infer<typeof floorSchema>
export type Member = z.infer<typeof memberSchema>
export type ToolView = z.infer<typeof toolViewSchema>
export type CallView = z.infer<typeof callViewSchema>
export type AccessView = z.infer<typeof accessViewSchema>
export type RoomView = z.infer<typeof roomViewSchema>
