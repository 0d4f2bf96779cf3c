import { z } from 'zod'
import { auditCursorSchema, welcomeSchema } from './frames.ts'
import { auditItemSchema } from './http/http-audit.ts'
import { type WireEvent, wireEventSchema } from './log/events.ts'
import { epochSchema, hashSchema, idSchema, jsonSchema, seqSchema, timeSchema } from './primitives.ts'
import { memberSchema } from './views.ts'

const contract = { contract_id: idSchema }

/** Every event that the hub sends by itself, by Socket.IO name. */
export const pushes = {
  'core.welcome': welcomeSchema,
  'core.tools.registered': z.object({ tools: z.array(z.string()) }),
  /** A batch of the log. `first !== last of the batch before + 1` is a hole: join again with `since`. */
  events: z.object({ ...contract, epoch: epochSchema, first: seqSchema, last: seqSchema, events: z.array(wireEventSchema) }),
  /** At least once: the agent drops a `call_id` that it has. Its acknowledgement, whatever it holds, makes `call.started`. */
  'core.tool.call': z.object({ ...contract, call_id: idSchema, tool: z.string(), input: jsonSchema, deadline: timeSchema, term: z.int() }),
  'core.tool.cancel': z.object({ call_id: idSchema, reason: z.string().exactOptional() }),
  chunk: z.object({ ...contract, call_id: idSchema, seq: seqSchema.min(1), chunk: z.string() }),
  /** Versions grow by one; a client that misses one joins again. `snapshot` replaces, the others change. Above 200 members only `count` is sent. */
  presence: z.object({
    ...contract,
    version: z.int(),
    snapshot: z.array(memberSchema).exactOptional(),
    joined: z.array(memberSchema).exactOptional(),
    left: z.array(z.string()).exactOptional(),
    changed: z.array(memberSchema).exactOptional(),
    count: z.int().exactOptional(),
  }),
  /** What was asked for has been sent: from here on, events come as they happen. */
  live: z.object({ ...contract, head: seqSchema, epoch: epochSchema, chain: hashSchema }),
  /** The client's place is not of this log: forget the room and join afresh. */
  reset: z.object({ ...contract, epoch: epochSchema }),
  lagging: z.object({ ...contract, head: seqSchema }),
  'contract.opened': z.object(contract),
  /** What the trail has behind the place that was followed from. `live`: that is all of it for now. Kept, `cursor` is where to go on. */
  'audit.events': z.object({ items: z.array(auditItemSchema), cursor: auditCursorSchema, live: z.boolean() }),
  /** The trail is no longer told: the reader may not read it any more. */
  'audit.ended': z.object({ code: z.string() }),
  'auth.expiring': z.object({ at: timeSchema }),
  closing: z.object({ code: z.int(), retry_after_ms: z.int().exactOptional(), reason: z.string() }),
} as const

export type PushType = keyof typeof pushes
export type Push<T extends PushType> = T extends 'events'
  ? { contract_id: string; epoch: string; first: number; last: number; events: WireEvent[] }
  : z.infer<(typeof pushes)[T]>
