import { z } from 'zod'

/** What a client is told in `core.welcome`, so that it never has to find a limit by running into it. Times in milliseconds, sizes in bytes. */
export const limitsSchema = z.object({
  frame_bytes: z.number(),
  frames_per_s: z.number(),
  frames_burst: z.number(),
  bytes_per_s: z.number(),
  principal_frames_per_s: z.number(),
  principal_bytes_per_s: z.number(),
  room_frames_per_s: z.number(),
  connections: z.number(),
  connections_per_address: z.number(),
  stream_bytes: z.number(),
  stream_parts: z.number(),
  tools: z.number(),
  input_depth: z.number(),
  heartbeat_ms: z.number(),
  unhealthy_after_ms: z.number(),
  call_timeout_ms: z.number(),
  call_timeout_max_ms: z.number(),
  cancel_deadline_ms: z.number(),
  abandon_after_ms: z.number(),
  page_events: z.number(),
  page_bytes: z.number(),
})
export type Limits = z.infer<typeof limitsSchema>

export const defaultLimits: Limits = {
  frame_bytes: 262_144,
  frames_per_s: 100,
  frames_burst: 200,
  bytes_per_s: 1_048_576,
  // A principal on several devices, and a room with many members: twice as much at once.
  principal_frames_per_s: 400,
  principal_bytes_per_s: 4_194_304,
  room_frames_per_s: 2_000,
  connections: 50_000,
  // An office or a cloud behind one address has many; one that has them all is no office.
  connections_per_address: 10_000,
  // A stream is read back whole for late joiners, so it must fit in memory many times over.
  stream_bytes: 8_388_608,
  // A chunk may be empty, and each one is a row.
  stream_parts: 100_000,
  tools: 128,
  input_depth: 64,
  heartbeat_ms: 15_000,
  // Two missed beats plus a slow network. One missed beat is common on mobile and must not end anything.
  unhealthy_after_ms: 45_000,
  call_timeout_ms: 120_000,
  call_timeout_max_ms: 86_400_000,
  cancel_deadline_ms: 2_000,
  abandon_after_ms: 45_000,
  page_events: 500,
  page_bytes: 131_072,
}
