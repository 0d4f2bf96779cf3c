import { defaultLimits, type Limits } from '../../shared/protocol/index.ts'

const SECOND = 1_000
const HOUR = 3_600_000
const DAY = 24 * HOUR
const KIB = 1_024
const MIB = 1_024 * KIB

/** What PARLEY_LIMITS may set each limit to, least and most. Below, ordinary clients could not work; above, the limit protects nothing. */
export const limitBounds: Record<keyof Limits, readonly [least: number, most: number]> = {
  // Socket.IO ends the connection at 1 MB, and a refusal is kinder than that.
  frame_bytes: [4 * KIB, 900_000],
  frames_per_s: [1, 1_000_000],
  frames_burst: [1, 1_000_000],
  bytes_per_s: [4 * KIB, 1_024 * MIB],
  principal_frames_per_s: [1, 1_000_000],
  principal_bytes_per_s: [4 * KIB, 1_024 * MIB],
  room_frames_per_s: [1, 1_000_000],
  connections: [10, 1_000_000],
  connections_per_address: [1, 1_000_000],
  stream_bytes: [4 * KIB, 256 * MIB],
  stream_parts: [1_000, 10_000_000],
  tools: [1, 10_000],
  input_depth: [8, 200],
  heartbeat_ms: [SECOND, HOUR],
  unhealthy_after_ms: [2 * SECOND, DAY],
  call_timeout_ms: [SECOND, 30 * DAY],
  call_timeout_max_ms: [SECOND, 30 * DAY],
  cancel_deadline_ms: [100, HOUR],
  abandon_after_ms: [SECOND, DAY],
  page_events: [1, 10_000],
  page_bytes: [KIB, 16 * MIB],
}

/** Pairs where the first must not be above the second. */
const ordered = [
  ['call_timeout_ms', 'call_timeout_max_ms'],
  ['frame_bytes', 'stream_bytes'],
] as const satisfies readonly (readonly [keyof Limits, keyof Limits])[]

const MISSED_BEATS = 2

/** Every fault of what stands in PARLEY_LIMITS, each with the limit's name; the limits that it sets when there is none. */
export function readLimits(given: unknown): { limits: Partial<Limits> } | { faults: string[] } {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return { faults: ['must be an object like {"frames_per_s":200}'] }
  const faults = Object.entries(given).flatMap(([name, value]) => faultOf(name, value) ?? [])
  if (faults.length > 0) return { faults }
  // The cast holds: each name is a limit's, each value a whole number.
  const limits = given as Partial<Limits>
  const strays = orderFaults({ ...defaultLimits, ...limits })
  return strays.length > 0 ? { faults: strays } : { limits }
}

function faultOf(name: string, value: unknown): string | undefined {
  if (!Object.hasOwn(limitBounds, name)) return `${name} is no limit; docs/PROTOCOL.md names them`
  // The cast holds: the table was just asked.
  const [least, most] = limitBounds[name as keyof Limits]
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
  return fits ? undefined : `${name} is ${JSON.stringify(value)}; it takes a whole number from ${least} to ${most}`
}

function orderFaults(limits: Limits): string[] {
  const faults = ordered
    .filter(([lower, upper]) => limits[lower] > limits[upper])
    .map(([lower, upper]) => `${lower} (${limits[lower]}) is above ${upper} (${limits[upper]}); set both`)
  if (limits.unhealthy_after_ms < MISSED_BEATS * limits.heartbeat_ms) {
    faults.push(
      `unhealthy_after_ms (${limits.unhealthy_after_ms}) is below two heartbeat_ms (${limits.heartbeat_ms}), so one late beat would count as an illness; set both`,
    )
  }
  return faults
}
