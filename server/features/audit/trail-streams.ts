import type { mongo } from 'mongoose'
import type { EventStore } from '../../pipeline/store/event-store.ts'

/** The streams of the trail that have events, by name: a look at the first event of each, and none at the rest. */
export function trailStreams(store: EventStore): Promise<string[]> {
  return streamsIn(store.collection)
}

/** The streams of the trail in a collection whose ids begin with the stream's name. */
export async function streamsIn<D extends { _id: string; stream: string }>(collection: mongo.Collection<D>): Promise<string[]> {
  const streams: string[] = []
  for (let after = 'audit:'; ; ) {
    const next = { _id: { $gt: after, $lt: 'audit;' } } as mongo.Filter<D>
    const first = await collection.findOne(next, { sort: { _id: 1 }, projection: { stream: 1 } })
    if (first === null) return streams.sort((a, b) => numberOf(a) - numberOf(b))
    streams.push(first.stream)
    // Behind every place of it: a place is digits.
    after = `${first.stream}:~`
  }
}

function numberOf(stream: string): number {
  return Number(stream.slice('audit:'.length))
}
