import { z } from 'zod'
import { auditFilters } from './http/http-audit.ts'
import { limitsSchema } from './limits.ts'
import { callErrorSchema } from './log/events.ts'
import {
  bySchema,
  epochSchema,
  hashSchema,
  idSchema,
  jsonSchema,
  keySchema,
  seqSchema,
  timeSchema,
  toolNameSchema,
  visibilities,
} from './primitives.ts'
import { roomViewSchema } from './views.ts'

const contract = { contract_id: idSchema }
/** What `audit.events` gave as `cursor`; opaque. */
export const auditCursorSchema = z.string().min(1).max(100_000)
const headSchema = z.object({ contract_id: idSchema, head: seqSchema, epoch: epochSchema })

export const toolSchema = z.object({
  name: toolNameSchema,
  description: z.string().max(4_000),
  /** JSON Schema 2020-12; compiled by the hub when it is registered. */
  input_schema: z.union([z.record(z.string(), z.unknown()), z.boolean()]),
  requires_approval: z.boolean().default(false),
  risk: z.enum(['low', 'high']).default('low'),
  timeout_ms: z.int().min(1).exactOptional(),
})
export type Tool = z.infer<typeof toolSchema>

export const welcomeSchema = z.object({
  protocol: z.int(),
  session_id: idSchema,
  principal: bySchema.extend({ name: z.string() }),
  heartbeat_ms: z.int(),
  limits: limitsSchema,
  contracts: z.array(headSchema),
})
export type Welcome = z.infer<typeof welcomeSchema>

/**
 * Every frame a client may send: its payload, and what the acknowledgement holds beside `ok: true`.
 * A refusal is `{ok: false, error: Refusal}`. Fields that are not named here are dropped.
 */
export const frames = {
  'agent.hello': {
    payload: z.object({
      // Any number here, so that another version is refused by PROTOCOL_UNSUPPORTED, which names the right ones.
      protocol: z.number(),
      agent: z.object({ name: z.string().min(1).max(200), version: z.string().min(1).max(100) }),
      resume: idSchema.exactOptional(),
    }),
    ack: welcomeSchema,
  },
  'agent.tools.register': { payload: z.object({ tools: z.array(toolSchema) }), ack: z.object({ tools: z.array(z.string()) }) },
  'agent.heartbeat': {
    payload: z.object({
      health: z.string().max(200).exactOptional(),
      runs: z.array(idSchema).max(1_000).exactOptional(),
      /** The calls that it works on, as many as a room has at most: which of them are over it is told before the answer. */
      calls: z.array(idSchema).max(200).exactOptional(),
    }),
    ack: z.object({ heads: z.record(idSchema, z.object({ seq: seqSchema, chain: hashSchema })) }),
  },
  'room.join': {
    payload: z.object({
      ...contract,
      since: seqSchema.exactOptional(),
      epoch: epochSchema.exactOptional(),
      chain: hashSchema.exactOptional(),
    }),
    ack: z.object({ epoch: epochSchema, head: seqSchema, chain: hashSchema, view: roomViewSchema }),
  },
  'room.leave': { payload: z.object(contract), ack: z.object({}) },
  'message.post': {
    payload: z.object({
      ...contract,
      key: keySchema,
      body: z.string().min(1).max(100_000),
      visibility: z.enum(visibilities).default('all'),
      reply_to: seqSchema.min(1).exactOptional(),
      evidence: z.array(idSchema).max(50).exactOptional(),
    }),
    ack: z.object({ seq: seqSchema, epoch: epochSchema, chain: hashSchema, duplicate: z.literal(true).exactOptional() }),
  },
  'tool.call': {
    payload: z.object({
      ...contract,
      key: keySchema,
      // Any text: a name that no tool can have is TOOL_UNKNOWN like another, recorded as the call's outcome.
      tool: z.string().min(1).max(200),
      input: jsonSchema,
      timeout_ms: z.int().min(1).exactOptional(),
    }),
    ack: z.object({ call_id: idSchema, seq: seqSchema, duplicate: z.literal(true).exactOptional() }),
  },
  'tool.cancel': {
    payload: z.object({ ...contract, call_id: idSchema, reason: z.string().max(2_000).exactOptional() }),
    ack: z.object({ seq: seqSchema, duplicate: z.literal(true).exactOptional() }),
  },
  'agent.tool.stream': { payload: z.object({ call_id: idSchema, seq: seqSchema.min(1), chunk: z.string() }), ack: z.object({}) },
  'agent.tool.result': {
    payload: z.object({
      call_id: idSchema,
      status: z.enum(['succeeded', 'failed', 'canceled']),
      output: jsonSchema.exactOptional(),
      error: callErrorSchema.exactOptional(),
    }),
    ack: z.object({ seq: seqSchema, duplicate: z.literal(true).exactOptional() }),
  },
  'contract.end': {
    payload: z.object({ ...contract, key: keySchema, outcome: z.string().min(1).max(100), reason: z.string().max(2_000).exactOptional() }),
    ack: z.object({ seq: seqSchema, duplicate: z.literal(true).exactOptional() }),
  },
  typing: { payload: z.object(contract), ack: z.object({}) },
  'cursor.set': { payload: z.object({ ...contract, seq: seqSchema }), ack: z.object({}) },
  /** The audit trail, live; one at a time on a connection, the newest. */
  'audit.follow': {
    payload: z.object({ ...auditFilters, cursor: auditCursorSchema.exactOptional() }),
    ack: z.object({ cursor: auditCursorSchema, reset: z.literal(true).exactOptional() }),
  },
  'audit.unfollow': { payload: z.object({}), ack: z.object({}) },
  'auth.refresh': {
    payload: z.union([z.object({ token: z.string().max(8_192) }), z.object({ key: z.string().max(200) })]),
    ack: z.object({ expires_at: timeSchema.nullable() }),
  },
} as const

export type FrameType = keyof typeof frames
export type Frame<T extends FrameType> = z.infer<(typeof frames)[T]['payload']>
/** A frame as its sender may write it: what has a default may be left out. */
export type FrameInput<T extends FrameType> = z.input<(typeof frames)[T]['payload']>
export type FrameAck<T extends FrameType> = z.infer<(typeof frames)[T]['ack']>
export const frameTypes = Object.keys(frames) as FrameType[]
