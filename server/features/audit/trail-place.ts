import { z } from 'zod'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { eventId } from '../../pipeline/store/event-store.ts'
import type { Head } from '../../pipeline/store/heads.ts'

/** How far a reader of the trail has come: exactly, in the hubs' own streams; in the rooms, of which there may be any number, by time. */
export interface TrailPlace {
  streams: ReadonlyMap<string, Head>
  /** What happened before it was read. */
  from_ms: number
  /** What was read of the time since: ids of events, and their moments. */
  seen: ReadonlyMap<string, number>
}

/** What a cursor holds of `seen`, the newest; of more than these some are told again. */
const MOST_SEEN = 1_000
const CHAIN_CHARS = 16

const place = z.int().min(1).max(999_999_999_999)
const cursorSchema = z.tuple([
  z.literal(1),
  z.array(z.tuple([z.string().regex(/^audit:\d{1,9}$/), place, z.string().length(CHAIN_CHARS)])).max(1_000),
  z.int().min(0),
  /** By room, for its name is long: places, each with the milliseconds since `from_ms`. */
  z.array(z.tuple([z.string().regex(/^contract:[^:]{1,64}$/), z.array(z.tuple([place, z.int().min(0)])).max(MOST_SEEN)])).max(MOST_SEEN),
])

/** Opaque to clients. It says where to go on, and nothing of who may. */
export function writePlace({ streams, from_ms, seen }: TrailPlace): string {
  const heads = [...streams].flatMap(([stream, { seq, chain }]) => (seq === 0 ? [] : [[stream, seq, chain.slice(0, CHAIN_CHARS)]]))
  const newest = [...seen].sort(([, a], [, b]) => a - b).slice(-MOST_SEEN)
  const rooms = new Map<string, [number, number][]>()
  for (const [id, at_ms] of newest) {
    const end = id.lastIndexOf(':')
    const stream = id.slice(0, end)
    const places = rooms.get(stream) ?? []
    places.push([Number(id.slice(end + 1)), at_ms - from_ms])
    rooms.set(stream, places)
  }
  return Buffer.from(JSON.stringify([1, heads, from_ms, [...rooms]])).toString('base64url')
}

/** The chains of its streams' places are cut: see `isSameChain`. */
export function readPlace(cursor: string): TrailPlace {
  const parsed = cursorSchema.safeParse(parseJson(Buffer.from(cursor, 'base64url').toString('utf8')))
  if (!parsed.success)
    throw new ParleyError('FRAME_INVALID', { errors: [{ pointer: '/cursor', detail: 'is none that `audit.events` gave' }] })
  const [, heads, from_ms, rooms] = parsed.data
  const seen = rooms.flatMap(([stream, places]) => places.map(([seq, ms]) => [eventId(stream, seq), from_ms + ms] as const))
  return { streams: new Map(heads.map(([stream, seq, chain]) => [stream, { seq, chain }])), from_ms, seen: new Map(seen) }
}

/** Whether the chain that lies in the log is the one that a cursor names. */
export function isSameChain(there: string, named: string): boolean {
  return there.slice(0, CHAIN_CHARS) === named.slice(0, CHAIN_CHARS)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no cursor at all, which the schema then says
  }
}
