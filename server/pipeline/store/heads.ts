import { LRUCache } from 'lru-cache'
import type { Log } from '../log/log.ts'
import { type EventStore, eventId } from './event-store.ts'

export interface Head {
  seq: number
  chain: string
}

/** Heads of rooms that are not kept. One that is known is asked for by a single id. */
const MOST_KNOWN = 20_000
const MOST_IDS = 2_000
/** A log has fewer events than four to the power of this. */
const MOST_STEPS = 20
/** Into how many parts what is left is cut at each look. */
const CUTS = 16

/** What is known of where a log ends: there is an event at `low.seq`, and none from `high` on. */
interface Search {
  stream: string
  low: Head
  high: number
}

/**
 * Where many logs end, in a few queries for all of them. A log has no holes, so whether there is an event at a place says on which
 * side of it the end is; and whoever asks again finds out by one place each whether anything was written.
 */
export function createHeads({ log, store }: { log: Log; store: EventStore }) {
  const known = new LRUCache<string, Head>({ max: MOST_KNOWN })

  async function headsOf(streams: readonly string[]): Promise<Map<string, Head>> {
    const heads = new Map<string, Head>()
    let open: Search[] = []
    for (const stream of streams) {
      const near = log.cached(stream)
      if (near !== undefined) heads.set(stream, { seq: near.head, chain: near.chain })
      else open.push({ stream, low: known.get(stream) ?? { seq: 0, chain: '' }, high: Number.POSITIVE_INFINITY })
    }
    for (let isFirst = true; open.length > 0; isFirst = false) {
      await look(open, isFirst ? ({ low }) => [low.seq + 1] : placesOf)
      for (const { stream, low } of open.filter(isFound)) {
        heads.set(stream, low)
        known.set(stream, low)
      }
      open = open.filter((search) => !isFound(search))
    }
    return heads
  }

  /** Narrows each search by what is there of the places. */
  async function look(searches: readonly Search[], places: (search: Search) => number[]): Promise<void> {
    const asked = searches.map((search) => ({ search, places: places(search) }))
    const ids = asked.flatMap(({ search, places }) => places.map((seq) => eventId(search.stream, seq)))
    const found = new Map<string, Head>()
    for (let at = 0; at < ids.length; at += MOST_IDS) {
      for (const { _id, ...head } of await store.headsById(ids.slice(at, at + MOST_IDS))) found.set(_id, head)
    }
    for (const { search, places } of asked) {
      for (const seq of places) {
        const there = found.get(eventId(search.stream, seq))
        if (there === undefined) search.high = Math.min(search.high, seq)
        else if (seq > search.low.seq) search.low = there
      }
    }
  }

  return headsOf
}

function isFound({ low, high }: Search): boolean {
  return high === low.seq + 1
}

/** Ever further steps until one is past the end, then even cuts of what lies between. */
function placesOf({ low, high }: Search): number[] {
  if (high === Number.POSITIVE_INFINITY) return Array.from({ length: MOST_STEPS }, (_, power) => low.seq + 4 ** power)
  const width = high - low.seq
  const places = Array.from({ length: CUTS - 1 }, (_, at) => low.seq + Math.ceil((width * (at + 1)) / CUTS))
  return [...new Set(places)].filter((seq) => seq > low.seq && seq < high)
}
