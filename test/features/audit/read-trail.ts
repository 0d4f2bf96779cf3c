import { hash } from 'node:crypto'
import mongoose from 'mongoose'
import type { AuditData, AuditType } from '../../../shared/protocol/index.ts'
import type { TestHub } from '../../harness/hub.ts'

const PATIENCE_MS = 45_000

export interface TrailEvent {
  seq: number
  type: AuditType
  at: string
  key: string
  data: AuditData
}

/** The trail as it lies in the database, stream by stream, and whether each holds together. */
export async function readTrail({ mongodb_uri, database_name }: Pick<TestHub, 'mongodb_uri' | 'database_name'>) {
  const connection = await mongoose.createConnection(mongodb_uri, { dbName: database_name }).asPromise()
  try {
    const rows = await connection
      .collection<{ _id: string; stream: string; json: string; chain: string }>('events')
      .find({ _id: { $gt: 'audit:', $lt: 'audit;' } })
      .sort({ _id: 1 })
      .toArray()
    const chains = new Map<string, string>()
    let ok = true
    const events = rows.map(({ stream, json, chain }) => {
      const before = chains.get(stream) ?? hash('sha256', stream)
      ok &&= hash('sha256', Buffer.from(before + hash('sha256', json), 'hex')) === chain
      chains.set(stream, chain)
      return JSON.parse(json) as TrailEvent
    })
    return { events, seqs: events.map(({ seq }) => seq), streams: [...chains.keys()], ok }
  } finally {
    await connection.close()
  }
}

/** The trail as soon as it holds what is waited for: it is durable soon, not at once. */
export async function settledTrail(
  hub: Pick<TestHub, 'mongodb_uri' | 'database_name'>,
  isThere: (events: TrailEvent[]) => boolean,
): Promise<TrailEvent[]> {
  for (const until = performance.now() + PATIENCE_MS; ; ) {
    const { events } = await readTrail(hub)
    if (isThere(events)) return events
    if (performance.now() > until) throw new Error(`not in the trail: ${JSON.stringify(events.map(({ type }) => type))}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
