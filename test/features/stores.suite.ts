import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import mongoose, { type Connection } from 'mongoose'
import { digestOf, firstChain, nextChain } from '../../server/core/seal.ts'
import { createCheckpointKeys } from '../../server/core/secrets/checkpoint-keys.ts'
import { deriveKey } from '../../server/core/secrets/derive-key.ts'
import { migrate } from '../../server/database/migrate.ts'
import { createAuditModels, createCheckpointer, createOwnStream, createThinCheckpoints } from '../../server/features/audit/index.ts'
import type { CheckpointDocument } from '../../server/features/audit/model.ts'
import { createLoginThrottle } from '../../server/features/users/login-throttle.ts'
import { createModel } from '../../server/features/users/model.ts'
import { createSecrets } from '../../server/features/users/secrets.ts'
import { createIdempotencyStore, type IdempotencyDocument } from '../../server/gateway/http/idempotency/idempotency-store.ts'
import { createTimerWrites } from '../../server/pipeline/background/timer-writes.ts'
import type { TimerDocument } from '../../server/pipeline/background/timers.ts'
import { createEventStore, eventId } from '../../server/pipeline/store/event-store.ts'
import { type Checkpoint, ParleyError } from '../../shared/protocol/index.ts'
import { createManualClock } from '../harness/clock.ts'

const SECRET = 'a secret that only this test knows, of enough bytes'
const MINUTE_MS = 60_000
const DAY_MS = 1_440 * MINUTE_MS

/** What the features count on when many hubs write one row at once. */
export function featureStoreSuite(name: string, databaseUri: () => Promise<string>): void {
  describe(`what the features keep, on ${name}`, () => {
    let connection: Connection
    const clock = createManualClock()
    const troubles: unknown[] = []
    const onTrouble = (what: string, cause: unknown) => troubles.push([what, cause])
    const tellContradicted = (...told: unknown[]) => troubles.push(told)

    before(async () => {
      connection = await mongoose.createConnection(await databaseUri(), { dbName: `stores_${randomUUID().slice(0, 8)}` }).asPromise()
    })
    after(async () => {
      await connection.dropDatabase()
      await connection.close()
    })
    afterEach(() => expect(troubles).to.deep.equal([]))

    const outcomes = async (asked: Promise<unknown>[]) => {
      const settled = await Promise.allSettled(asked)
      const codes = settled.map((one) => {
        if (one.status === 'fulfilled') return 'ok'
        return one.reason instanceof ParleyError ? one.reason.code : String(one.reason)
      })
      return Object.fromEntries([...new Set(codes)].map((code) => [code, codes.filter((one) => one === code).length]))
    }

    it('[STORE-1] hubs that start at once migrate one after the other, each finding it done', async () => {
      const applied = await Promise.all(['a', 'b', 'c'].map((owner) => migrate(connection, owner)))
      expect(applied.filter((names) => names.length > 0)).to.have.length(1)
      expect(await connection.collection('locks').countDocuments()).to.equal(0)
    })

    it('[STORE-2] forty attempts at once at one account are counted: ten are heard, in this window and in the next', async () => {
      const throttle = createLoginThrottle({ model: createModel(connection), secrets: createSecrets(SECRET), clock })
      const begin = () => throttle.begin({ email: 'ann@example.org', ip: '127.0.0.2' })
      for (let window = 0; window < 2; window++) {
        const asked = await outcomes(Array.from({ length: 40 }, begin))
        // One that loses too many races is told to try again, which is no answer to a password either.
        const { ok = 0, RATE_LIMITED = 0, OVERLOADED = 0 } = asked
        expect(asked).to.have.all.keys(Object.keys({ ok, RATE_LIMITED, ...(OVERLOADED > 0 ? { OVERLOADED } : {}) }))
        expect(ok).to.be.within(1, 10)
        clock.advance(16 * MINUTE_MS)
      }
    })

    it('[STORE-3] of twenty requests at once with one idempotency key one goes on, and the next is given its answer', async () => {
      const collection = connection.collection<IdempotencyDocument>('idempotency')
      const store = createIdempotencyStore({ collection, clock, payloadKey: deriveKey(SECRET, 'idempotency-payload') })
      const asked = { scope: 'one', payload: 'same' }
      expect(await outcomes(Array.from({ length: 20 }, () => store.begin(asked)))).to.deep.equal({ ok: 1, REQUEST_IN_FLIGHT: 19 })
      const [row] = await collection.find({}).toArray()
      const answer = { status: 201, headers: {}, body: '{"$a.b":1}' }
      await store.keep(row?.held_by ?? '', asked.scope, answer)
      expect(await store.begin(asked)).to.deep.equal({ kind: 'replay', answer })
    })

    it('[STORE-4] hubs that claim a stream of the trail at once get one each, and one that was left is taken again', async () => {
      const models = createAuditModels(connection)
      const stream = (owner: string) => createOwnStream({ models, clock, owner, operator_mark: 'one', onTrouble, onOther: () => undefined })
      const streams = ['a', 'b', 'c', 'd'].map(stream)
      await Promise.all(streams.map((one) => one.start()))
      expect(streams.map((one) => one.name()).toSorted()).to.deep.equal(['audit:1', 'audit:2', 'audit:3', 'audit:4'])
      await streams[1]?.close()
      const next = stream('e')
      await next.start()
      expect(next.name()).to.equal(streams[1]?.name())
      for (const one of [streams[0], streams[2], streams[3], next]) await one?.close()
    })

    it('[STORE-5] a place that two hubs sign keeps its first checkpoint; they are read in order, behind a place', async () => {
      const models = createAuditModels(connection)
      const announced: Checkpoint[] = []
      const announce = (checkpoint: Checkpoint) => announced.push(checkpoint)
      const { store, chainAt } = await logOf(connection, 'audit:1', { from: 1, to: 100 })
      const deps = { ...{ models, keys: createCheckpointKeys(SECRET), store, tellContradicted }, clock, announce, onTrouble }
      const [one, other] = [1, 2].map(() => createCheckpointer(deps))
      for (const seq of [3, 12, 100]) {
        for (const hub of [one, other]) hub?.note('audit:1', { seq, chain: chainAt(seq) })
        await Promise.all([one?.signAll(), other?.signAll()])
        clock.advance(MINUTE_MS)
      }
      const kept = (await one?.read('audit:1', 3, 10)) ?? []
      expect(kept.map(({ seq }) => seq)).to.deep.equal([12, 100])
      expect(kept.every((checkpoint) => other?.isSigned(checkpoint))).to.equal(true)
      expect(await models.checkpoints.countDocuments({})).to.equal(3)
    })

    it('[STORE-6] a timer that two hubs set at once for the first time is there once, and neither hears of a fault', async () => {
      const collection = connection.collection<TimerDocument>('timers')
      const hubs = [1, 2, 3].map(() => createTimerWrites(collection))
      const ids = Array.from({ length: 10 }, (_, at) => `timer:${at}`)
      const update = { $set: { due_at: new Date(clock.now()) } } as never
      expect(await outcomes(hubs.flatMap((hub) => ids.map((id) => hub.set(id, update))))).to.deep.equal({ ok: 30 })
      expect(await collection.countDocuments({ _id: { $in: ids } })).to.equal(10)
    })

    it('[STORE-7] hubs that thin checkpoints at once leave the last of each hour, of every stream, whatever the pages; each goes on where another stopped', async () => {
      const models = createAuditModels(connection)
      const keys = createCheckpointKeys(SECRET)
      const day = Math.floor(clock.now() / DAY_MS) * DAY_MS
      const streams = ['audit:1', 'contract:a', 'contract:b']
      const logs = await Promise.all(streams.map((stream) => logOf(connection, stream, { from: 200, to: 208 })))
      const rows = logs.flatMap(({ stream, chainAt }) =>
        Array.from({ length: 9 }, (_, at): CheckpointDocument => {
          const place = { stream, seq: 200 + at, chain: chainAt(200 + at) }
          // Three of an hour, three hours.
          const signed = keys.sign({ ...place, at: new Date(day - 3 * DAY_MS + at * 20 * MINUTE_MS).toISOString() })
          return { _id: eventId(stream, 200 + at), ...signed }
        }),
      )
      await models.checkpoints.deleteMany({})
      await models.checkpoints.insertMany(rows)
      const store = createEventStore(connection)
      const told: unknown[] = []
      const deps = {
        ...{ models, keys, store, clock, onTrouble },
        tellContradicted: ({ stream, seq }: Pick<Checkpoint, 'stream' | 'seq'>) => told.push([stream, seq]),
      }
      const other = createCheckpointer({ ...deps, announce: () => undefined })
      await other.keepForExport('contract:a', 204)
      const forged = eventId('contract:b', 201)
      await models.checkpoints.updateOne({ _id: forged }, { $set: { chain: 'f'.repeat(64) } })

      const hubs = [1, 2, 3].map(() => createThinCheckpoints({ ...deps, isSigned: keys.isSigned, page: 2 }))
      for (let left = true; left; clock.advance(MINUTE_MS)) left = (await Promise.all(hubs.map((hub) => hub.sweep()))).includes(true)
      const kept = Map.groupBy(await models.checkpoints.find({}).sort({ _id: 1 }).toArray(), ({ stream }) => stream)
      const seqs = Object.fromEntries([...kept].map(([stream, of]) => [stream, of.map(({ seq }) => seq)]))
      // What closes an export stays; so does what the hub did not sign, and what only that could stand for.
      expect(seqs).to.deep.equal({
        'audit:1': [202, 205, 208],
        'contract:a': [202, 204, 205, 208],
        'contract:b': [200, 201, 202, 205, 208],
      })
      expect(new Set(told.map(String))).to.deep.equal(new Set(['contract:b,201']))
      expect(await Promise.all(hubs.map((hub) => hub.sweep())), 'until tomorrow').to.deep.equal([false, false, false])
      clock.advance(31 * DAY_MS)
      for (let left = true; left; clock.advance(MINUTE_MS)) left = (await hubs[0]?.sweep()) === true
      expect((await other.read('audit:1', 0, 10)).map(({ seq }) => seq)).to.deep.equal([208])
      expect(await other.read('contract:a', 0, 10)).to.deep.equal([204, 208].map((seq) => checkpointIn(rows, 'contract:a', seq)))
    })

    it('[STORE-8] a hub that was slow over a piece of that walk, and lost its lease, does not send the walk back', async () => {
      const models = createAuditModels(connection)
      const keys = createCheckpointKeys(SECRET)
      for (const collection of [models.checkpoints, models.sweeps]) await collection.deleteMany({})
      const at = (minutes: number) => new Date(clock.now() - 3 * DAY_MS - (clock.now() % DAY_MS) + minutes * MINUTE_MS).toISOString()
      const { store, chainAt } = await logOf(connection, 'audit:1', { from: 1, to: 12 })
      const rows = Array.from({ length: 12 }, (_, place) => {
        return keys.sign({ stream: 'audit:1', seq: place + 1, chain: chainAt(place + 1), at: at(place) })
      })
      await models.checkpoints.insertMany(rows.map((row) => ({ _id: eventId(row.stream, row.seq), ...row })))
      const [waits, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const checkpoints = new Proxy(models.checkpoints, {
        get(target, name) {
          if (name !== 'deleteMany') return Reflect.get(target, name).bind?.(target)
          return async (...given: Parameters<typeof target.deleteMany>) => {
            waits.resolve()
            await go.promise
            return target.deleteMany(...given)
          }
        },
      })
      const deps = { ...{ store, isSigned: keys.isSigned, tellContradicted }, clock, onTrouble, page: 3 }
      const hub = (slow: boolean) => createThinCheckpoints({ ...deps, models: slow ? { ...models, checkpoints } : models })
      const slow = hub(true).sweep()
      await waits.promise
      expect(await hub(false).sweep(), 'the lease holds').to.equal(false)
      clock.advance(2 * MINUTE_MS)
      for (let left = true; left; ) left = await hub(false).sweep()
      const walked = await models.sweeps.findOne({})
      expect(walked).to.include({ after: '' }).and.have.property('next_at')
      clock.advance(MINUTE_MS)
      go.resolve()
      await slow
      expect(await models.sweeps.findOne({})).to.deep.equal(walked)
      expect((await models.checkpoints.find({}).toArray()).map(({ seq }) => seq)).to.deep.equal([12])
    })
  })
}

/** A stretch of a log: of each event what holds it together. */
async function logOf(connection: Connection, stream: string, { from, to }: { from: number; to: number }) {
  const store = createEventStore(connection)
  const chains = new Map<number, string>()
  let chain = firstChain(stream)
  const rows = Array.from({ length: to - from + 1 }, (_, at) => {
    const digest = digestOf(`${stream} ${from + at}`)
    chain = nextChain(chain, digest)
    chains.set(from + at, chain)
    return { _id: eventId(stream, from + at), stream, seq: from + at, by: { id: 'system' }, key: String(from + at), digest, chain }
  })
  await store.collection.deleteMany({ stream })
  await store.collection.insertMany(rows as never)
  return { store, stream, chainAt: (seq: number) => chains.get(seq) ?? '' }
}

function checkpointIn(rows: CheckpointDocument[], stream: string, seq: number): Checkpoint | undefined {
  const { _id, ...checkpoint } = rows.find((row) => row.stream === stream && row.seq === seq) ?? {}
  return checkpoint as Checkpoint
}
