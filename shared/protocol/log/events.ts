import { z } from 'zod'
import { profileRules } from '../access/profile.ts'
import {
  bySchema,
  hashSchema,
  idSchema,
  jsonSchema,
  keySchema,
  permissionFlags,
  permissionsSchema,
  seqSchema,
  timeSchema,
  valueSchema,
  visibilities,
} from '../primitives.ts'
import { keyEndReasons, refusingSides } from '../states.ts'
import { type EventType, eventTypes } from './event-types.ts'

/** What a tool's streamed output came to: the parts lie apart, the event seals them. `sha256` is over the UTF-8 of all chunks joined. */
export const streamSealSchema = z.object({ parts: z.int().min(1), bytes: z.int().min(0), sha256: hashSchema })
export type StreamSeal = z.infer<typeof streamSealSchema>

export const callErrorSchema = z.object({ code: z.string().min(1).max(100), message: z.string().max(10_000) })
export type CallError = z.infer<typeof callErrorSchema>

const callEndedBadly = z.object({ call_id: idSchema, tool: z.string(), error: callErrorSchema, stream: streamSealSchema.exactOptional() })
const callDecided = z.object({
  call_id: idSchema,
  proposed: jsonSchema,
  decided: jsonSchema.exactOptional(),
  by: bySchema.exactOptional(),
  reason: z.string().exactOptional(),
})
const agentHealth = z.object({ agent_id: idSchema, session_id: idSchema, since: timeSchema })

/** The `data` of every event, by type. An event tells what happened, in the past. */
export const eventData = {
  'contract.opened': z.object({
    title: z.string(),
    requester_id: idSchema,
    provider_id: idSchema,
    permissions: permissionsSchema,
    /** What the provider may do at most by itself, if it is an agent. */
    grants: permissionsSchema.exactOptional(),
    grants_version: z.int().exactOptional(),
    value: valueSchema.exactOptional(),
  }),
  'contract.ended': z.object({ outcome: z.string(), reason: z.string().exactOptional() }),
  'message.posted': z.object({
    body: z.string(),
    visibility: z.enum(visibilities),
    reply_to: seqSchema.exactOptional(),
    evidence: z.array(idSchema).exactOptional(),
  }),
  'call.requested': z.object({
    call_id: idSchema,
    tool: z.string(),
    input: jsonSchema,
    deadline: timeSchema,
    requires_approval: z.boolean(),
    risk: z.enum(['low', 'high']),
  }),
  'call.approved': callDecided,
  'call.denied': callDecided,
  'call.expired': callDecided,
  'call.started': z.object({
    call_id: idSchema,
    session_id: idSchema,
    /** Where the key of the session gives it less time than the call has. */
    deadline: timeSchema.exactOptional(),
  }),
  'call.cancel_requested': z.object({ call_id: idSchema, reason: z.string().exactOptional() }),
  'call.succeeded': z.object({ call_id: idSchema, tool: z.string(), output: jsonSchema, stream: streamSealSchema.exactOptional() }),
  'call.failed': callEndedBadly,
  'call.canceled': callEndedBadly,
  'call.timed_out': callEndedBadly,
  'call.abandoned': callEndedBadly,
  'agent.unhealthy': agentHealth,
  'agent.recovered': agentHealth,
  'permissions.changed': z.object({
    /** `agent`: what it may do at most, in all of its contracts. Both must allow what is done. */
    of: z.enum(['contract', 'agent']),
    permissions: permissionsSchema,
    version: z.int().exactOptional(),
    granted_by: bySchema.exactOptional(),
  }),
  /** Refusals of one kind are counted, not repeated: the first is told at once, what follows in one event. */
  'permission.refused': z.object({
    agent_id: idSchema,
    /** The flag that lacked, or the bound of the key's profile that was passed. */
    lacks: z.enum([...permissionFlags, ...profileRules]),
    denied_by: z.enum(refusingSides),
    /** What was asked last, when, and how often since the last event of this kind. */
    what: z.string(),
    last_at: timeSchema,
    count: z.int().min(1),
  }),
  /** `bounds`: the fields of its profile that bind it. */
  'key.issued': z.object({ agent_id: idSchema, key_id: idSchema, bounds: z.array(z.enum(profileRules)) }),
  'key.ended': z.object({ agent_id: idSchema, key_id: idSchema, reason: z.enum(keyEndReasons) }),
} as const satisfies Record<EventType, z.ZodType>

export type EventData<T extends EventType> = z.infer<(typeof eventData)[T]>
/** An event before it has its place: what a command decides. */
export type EventDraft = { [T in EventType]: { type: T; data: EventData<T> } }[EventType]

const envelope = {
  seq: seqSchema.min(1),
  at: timeSchema,
  by: bySchema,
  key: keySchema,
  /** The floor's term under which it was written. */
  term: z.int().min(0),
  /** Random, hex: without it an erased body could be guessed from its digest. */
  salt: z.string(),
  chain: hashSchema,
}

/** An event as it is recorded and sent. `chain` = SHA-256(previous chain ‖ SHA-256(canonical JSON of the event without `chain`)). */
export type RecordedEvent = {
  [T in EventType]: {
    seq: number
    type: T
    at: string
    by: z.infer<typeof bySchema>
    key: string
    term: number
    data: EventData<T>
    salt: string
    chain: string
  }
}[EventType]

/** What a reader gets in the place of an event that it may not see: no hole, and the chain still verifies. */
export const redactedEventSchema = z.object({ seq: seqSchema.min(1), type: z.literal('redacted'), digest: hashSchema, chain: hashSchema })
export type RedactedEvent = z.infer<typeof redactedEventSchema>

export type WireEvent = RecordedEvent | RedactedEvent

/**
 * Loose on purpose: a client of today folds events of tomorrow by keeping their place and passing over their data, and keeps the
 * members that it does not know, for the digest covers them.
 */
export const wireEventSchema = z.union([
  redactedEventSchema,
  z.looseObject({ ...envelope, by: bySchema.loose(), type: z.string(), data: z.record(z.string(), z.unknown()) }),
])

export const recordedEventSchema = z.discriminatedUnion(
  'type',
  eventTypes.map((type) => z.object({ ...envelope, type: z.literal(type), data: eventData[type] })) as never,
)
