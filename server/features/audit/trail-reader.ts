import type { AuditItem } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { type EventStore, eventId } from '../../pipeline/store/event-store.ts'
import type { Head } from '../../pipeline/store/heads.ts'
import { toAuditItem } from './audit-item.ts'
import type { AuditModels } from './model.ts'
import type { ReadItems } from './read-items.ts'
import { withFacets } from './search.ts'
import { isSameChain, type TrailPlace } from './trail-place.ts'

/**
 * An event of a room lies in the log this long after its moment at the latest, whatever hub wrote it and however its clock goes. One
 * that comes later still (its hub lost the database in between) is found by a search, and told to nobody who follows.
 */
const SETTLED_MS = 60_000
/** As a rule it is there at once: between two thorough looks only so much is read again. */
const QUICK_MS = 2_000
const READ_AT_ONCE = 500
/** Of the rooms' events a reader who begins has so many in mind; what came before them is behind him, and what is late from then is found by a search. */
const MOST_BEHIND = 10_000
const LAST_SEQ = 999_999_999_999
const FIRST_ROOM = 'contract:'

export interface Look {
  /** Whose turn it is. */
  asker_id: string
  facets: readonly string[]
  limit: number
  /** Reads again all that may have come late. */
  isThorough: boolean
}

export interface Found {
  items: AuditItem[]
  /** Behind them. */
  place: TrailPlace
  /** There is no more of it now. */
  isDry: boolean
}

/**
 * Reads the trail as it grows, by whichever hub: the hubs' own streams by place, so that nothing of them is missed or read twice however
 * late it was written; the rooms' events by time, with what was read of the last minute in mind.
 */
export function createTrailReader({
  store: { collection, head, headsById },
  readItems,
  models,
  clock,
  most_behind = MOST_BEHIND,
}: {
  store: EventStore
  readItems: ReadItems
  models: Pick<AuditModels, 'streams'>
  clock: Clock
  most_behind?: number
}) {
  const majority = { readConcern: { level: 'majority' as const } }

  /** Each stream that a hub ever claimed; it did so before it wrote. */
  async function streamNames(): Promise<string[]> {
    const rows = await models.streams
      .find({}, { projection: { _id: 1 } })
      .sort({ _id: 1 })
      .toArray()
    return rows.map(({ _id }) => `audit:${_id}`)
  }

  /** Behind all that is there. */
  async function here(facets: readonly string[]): Promise<TrailPlace> {
    const heads = await Promise.all((await streamNames()).map(async (name) => [name, await head(name)] as const))
    return {
      streams: new Map(heads.flatMap(([name, there]) => (there === undefined ? [] : [[name, there]]))),
      ...(await behindRooms(facets)),
    }
  }

  /** What was recorded last in the rooms, newest first and page by page; of more than is kept in mind only where that begins. */
  async function behindRooms(facets: readonly string[]): Promise<Pick<TrailPlace, 'from_ms' | 'seen'>> {
    const now = clock.now()
    const from_ms = Math.max(now - SETTLED_MS, 0)
    const seen = new Map<string, number>()
    const newest = roomRows(facets, from_ms, -1)
      .limit(most_behind + 1)
      .batchSize(READ_AT_ONCE)
    for await (const { _id, at } of newest) {
      if (seen.size === most_behind) return fromMoment(seen, Math.min(at.getTime() + 1, now))
      seen.set(_id, at.getTime())
    }
    return { from_ms, seen }
  }

  /** Whether the log is still the one in which the place was; it is another after a backup was restored. */
  async function isOfTheLog({ streams }: TrailPlace): Promise<boolean> {
    const named = new Map([...streams].map(([stream, { seq, chain }]) => [eventId(stream, seq), chain]))
    const there = await headsById([...named.keys()])
    return there.length === named.size && there.every(({ _id, chain }) => isSameChain(chain, named.get(_id) ?? ''))
  }

  async function next(place: TrailPlace, look: Look): Promise<Found> {
    const streams = new Map(place.streams)
    const items: AuditItem[] = []
    let isDry = true
    for (const name of await streamNames()) {
      const found = await readStream(name, streams.get(name)?.seq ?? 0, { ...look, limit: look.limit - items.length })
      items.push(...found.items)
      if (found.last !== undefined) streams.set(name, found.last)
      isDry &&= found.isDry
      if (items.length >= look.limit) return { items, place: { ...place, streams }, isDry: false }
    }
    const inRooms = await readRooms(place, { ...look, limit: look.limit - items.length })
    items.push(...inRooms.items)
    return { items, place: { ...inRooms.place, streams }, isDry: isDry && inRooms.isDry }
  }

  /** One page of a stream, and what of it is asked for. `last`: up to where that is. */
  async function readStream(stream: string, after: number, { facets, limit }: Look) {
    const page = await collection
      .find({ _id: { $gt: eventId(stream, after), $lte: eventId(stream, LAST_SEQ) } }, majority)
      .sort({ _id: 1 })
      .limit(READ_AT_ONCE)
      .toArray()
    const items: AuditItem[] = []
    let last: Head | undefined
    for (const row of page) {
      if (items.length >= limit) return { items, last, isDry: false }
      last = { seq: row.seq, chain: row.chain }
      if (facets.every((facet) => row.facets?.includes(facet))) items.push(toAuditItem(row))
    }
    return { items, last, isDry: page.length < READ_AT_ONCE }
  }

  async function readRooms(place: TrailPlace, { facets, limit, isThorough, asker_id }: Look): Promise<Found> {
    const fresh = new Map<string, number>()
    let last_ms: number | undefined
    for await (const { _id, at } of roomRows(facets, isThorough ? place.from_ms : quickStart(place))) {
      if (place.seen.has(_id)) continue
      if (fresh.size >= limit) {
        last_ms = at.getTime()
        break
      }
      fresh.set(_id, at.getTime())
    }
    const isDry = last_ms === undefined
    const settled_ms = Math.min(clock.now() - SETTLED_MS, last_ms ?? Number.POSITIVE_INFINITY)
    const from_ms = isThorough ? Math.max(place.from_ms, settled_ms) : place.from_ms
    const seen = new Map([...place.seen, ...fresh].filter(([, at_ms]) => at_ms >= from_ms))
    const items = await readItems([...fresh.keys()], { asker_id })
    return { items, place: { streams: place.streams, from_ms, seen }, isDry }
  }

  /** A hub whose clock is ahead must not make the others' events late. */
  function quickStart({ from_ms, seen }: TrailPlace): number {
    let newest_ms = from_ms
    for (const at_ms of seen.values()) if (at_ms > newest_ms) newest_ms = at_ms
    return Math.max(from_ms, Math.min(newest_ms, clock.now()) - QUICK_MS)
  }

  /** Only what tells them apart: most of them were read before, and their texts may be long. */
  function roomRows(facets: readonly string[], from_ms: number, order: 1 | -1 = 1) {
    return collection
      .find({ ...withFacets(facets), at: { $gte: new Date(from_ms) }, _id: { $gte: FIRST_ROOM } }, { ...majority, projection: { at: 1 } })
      .sort({ at: order, _id: order })
  }

  return { here, isOfTheLog, next }
}

function fromMoment(seen: ReadonlyMap<string, number>, from_ms: number): Pick<TrailPlace, 'from_ms' | 'seen'> {
  return { from_ms, seen: new Map([...seen].filter(([, at_ms]) => at_ms >= from_ms)) }
}

export type TrailReader = ReturnType<typeof createTrailReader>
