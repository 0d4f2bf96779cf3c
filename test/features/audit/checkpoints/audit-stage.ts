import { hash, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import mongoose from 'mongoose'
import { facetsOfAudit } from '../../../../server/core/words/facets.ts'
import type { LogVerdict } from '../../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../../shared/rules/canonical-json.ts'
import { createManualClock } from '../../../harness/clock.ts'
import { startHub, testDatabase } from '../../../harness/hub.ts'
import { api, registerAgent } from '../../../harness/people.ts'
import { until } from '../../../scenarios/stage.ts'
import { settledTrail } from '../read-trail.ts'

export const MINUTE_MS = 60_000

export interface Row {
  _id: string
  stream: string
  seq: number
  json: string
  digest: string
  chain: string
  facets: string[]
}
export type Rows = mongoose.mongo.Collection<Row>

interface Verdict {
  ok: boolean
  streams: (LogVerdict & { stream: string })[]
}

export type AuditStage = Awaited<ReturnType<typeof setStage>>

/** A hub with some agents in its trail and a checkpoint over them, and its database at hand. */
export async function setStage() {
  const clock = createManualClock()
  const data_dir = await mkdtemp(join(tmpdir(), 'parley-audit-'))
  const like = { mongodb_uri: await testDatabase(), database_name: `audit_${randomUUID().slice(0, 8)}`, data_dir }
  const hubs = [await startHub({ clock, like })]
  const hub = () => {
    const [newest] = hubs
    if (newest === undefined) throw new Error('the hub is closed')
    return newest
  }
  const connection = await mongoose.createConnection(like.mongodb_uri, { dbName: like.database_name }).asPromise()
  const events = connection.collection('events') as unknown as Rows
  const checkpoints = connection.collection<{ _id: string; stream: string; seq: number; chain: string }>('checkpoints')
  const names = ['Ada', 'Ben', 'Cleo', 'Dan', 'Eli', 'Fay', 'Gus', 'Hal']
  for (const name of names) await registerAgent(hub(), name)
  await settledTrail(like, (trail) => trail.filter(({ type }) => type === 'agent.registered').length >= names.length)
  clock.advance(MINUTE_MS)
  await until('the trail is signed', async () => (await checkpoints.countDocuments({ stream: 'audit:1' })) > 0)
  const verify = async () => (await api<Verdict>(hub(), 'GET', '/audit/verify', { bearer: hub().operator_token })).body

  return {
    ...{ clock, connection, events, checkpoints, hub, verify },
    one: async () => (await verify()).streams.find(({ stream }) => stream === 'audit:1'),
    async restart() {
      await hubs.shift()?.close()
      hubs.unshift(await startHub({ clock, like }))
    },
    async close() {
      await hub().close()
      await connection.dropDatabase()
      await connection.close()
      await rm(data_dir, { recursive: true, force: true })
    },
  }
}

export async function rowOf(events: Rows, seq: number): Promise<Row> {
  const row = await events.findOne({ stream: 'audit:1', seq })
  if (row === null) throw new Error(`no event ${seq}`)
  return row
}

/** Changes the text of one event, and its digest if that is asked for. */
export async function edit(events: Rows, seq: number, { from, to, digest = false }: { from: string; to: string; digest?: boolean }) {
  const row = await rowOf(events, seq)
  const json = row.json.replace(from, to)
  if (json === row.json) throw new Error(`nothing changed in ${row.json}`)
  await events.updateOne({ _id: row._id }, { $set: { json, ...(digest ? { digest: hash('sha256', json) } : {}) } })
}

/** Puts each of two events in the other's place. */
export async function swap(events: Rows, a: number, b: number): Promise<void> {
  const [one, other] = [await rowOf(events, a), await rowOf(events, b)]
  await events.deleteMany({ _id: { $in: [one._id, other._id] } })
  await events.insertMany([
    { ...other, _id: one._id, seq: one.seq },
    { ...one, _id: other._id, seq: other.seq },
  ])
}

/** Makes the stream anew with another name in it, and every digest, link and tag right: all that the database alone can be made to say. */
export async function makeAnew(events: Rows, seq: number, name: string): Promise<void> {
  let chain = hash('sha256', 'audit:1')
  for (const row of await events.find({ stream: 'audit:1' }).sort({ _id: 1 }).toArray()) {
    const told = JSON.parse(row.json)
    if (row.seq === seq) told.data.metadata.name = name
    const json = canonicalJson(told)
    const digest = hash('sha256', json)
    chain = hash('sha256', Buffer.from(chain + digest, 'hex'))
    await events.updateOne({ _id: row._id }, { $set: { json, digest, chain, facets: facetsOfAudit(told) } })
  }
}
