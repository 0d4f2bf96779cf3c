import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Collection, MongoClient } from 'mongodb'
import { aggregation, document, filter, index, sort, update } from './differential.arbitraries.ts'

type Row = { _id: number; [field: string]: unknown }
type Pair = { embedded: Collection<Row>; other: Collection<Row> }

/** The same random commands to both servers, and the same answers wanted. A failure prints its seed and the smallest case. */
export function differentialSuite(uris: () => { embedded: string; other: string }) {
  describe('embedded against another server', function () {
    this.timeout(600_000)
    const runs = Number(process.env['PARLEY_DIFFERENTIAL_RUNS'] ?? 40)
    const seed = Number(process.env['PARLEY_SEED'] ?? randomBytes(4).readInt32LE())
    const name = `parley_diff_${randomBytes(4).toString('hex')}`
    let clients: MongoClient[]

    before(async () => {
      console.log(`      seed ${seed}`)
      clients = await Promise.all([MongoClient.connect(uris().embedded), MongoClient.connect(uris().other)])
    })
    after(async () => {
      for (const client of clients) {
        await client.db(name).dropDatabase()
        await client.close()
      }
    })

    async function withRows(docs: object[], indexes: object[], act: (pair: Pair) => Promise<void>) {
      const collection = `c_${randomBytes(6).toString('hex')}`
      const [embedded, other] = clients.map((client) => client.db(name).collection<Row>(collection)) as [Collection<Row>, Collection<Row>]
      const pair = { embedded, other }
      const rows = docs.map((doc, nth) => ({ _id: nth, ...doc }))
      for (const one of [embedded, other]) {
        await one.insertMany(rows)
        for (const spec of indexes) await one.createIndex(spec as Record<string, 1>).catch(() => undefined)
      }
      try {
        await act(pair)
      } finally {
        await other.drop()
        await embedded.drop()
      }
    }

    it('[DB-21] random filters and sorts find the same documents, with and without indexes', async () => {
      const property = fc.asyncProperty(
        fc.array(document, { minLength: 1, maxLength: 12 }),
        fc.array(index, { maxLength: 2 }),
        fc.array(fc.tuple(filter, sort), { minLength: 4, maxLength: 8 }),
        (docs, indexes, queries) =>
          withRows(docs, indexes, async (pair) => {
            for (const [wanted, order] of queries) {
              // MongoDB sorts an empty array before null, DocumentDB after: such documents are asked without the sort.
              const isClear = docs.every((doc) => !Object.values(doc).some((value) => Array.isArray(value) && value.length === 0))
              const sorted = { ...(isClear ? order : {}), _id: 1 as const }
              await same(pair, (rows) => rows.find(wanted).sort(sorted).toArray(), { wanted, sorted })
            }
          }),
      )
      await fc.assert(property, { seed, numRuns: runs })
    })

    it('[DB-22] random updates leave the same documents', async () => {
      const property = fc.asyncProperty(
        fc.array(document, { minLength: 1, maxLength: 6 }),
        fc.array(fc.tuple(filter, update), { minLength: 3, maxLength: 6 }),
        (docs, changes) =>
          withRows(docs, [], async (pair) => {
            for (const [wanted, change] of changes) {
              const run = async (rows: Collection<Row>) => {
                const { matchedCount, modifiedCount } = await rows.updateMany(wanted, change as object)
                // A `$push` that `$slice` undoes counts as a change in MongoDB and not here; the documents are the same.
                return {
                  matchedCount,
                  ...('$push' in change ? {} : { modifiedCount }),
                  rows: await rows.find({}).sort({ _id: 1 }).toArray(),
                }
              }
              const isSame = await same(pair, run, { wanted, change })
              if (!isSame) return
            }
          }),
      )
      await fc.assert(property, { seed, numRuns: runs })
    })

    it('[DB-23] random aggregations compute the same rows', async () => {
      const property = fc.asyncProperty(
        fc.array(document, { minLength: 1, maxLength: 10 }),
        fc.array(aggregation, { minLength: 3, maxLength: 6 }),
        (docs, pipelines) =>
          withRows(docs, [], async (pair) => {
            for (const pipeline of pipelines)
              await same(pair, (rows) => unordered(rows.aggregate(pipeline as object[]).toArray()), { pipeline })
          }),
      )
      await fc.assert(property, { seed, numRuns: runs })
    })
  })
}

/** Both answer alike, or both refuse. A refusal of the embedded server alone is allowed: it may offer less, but never answer wrongly. */
async function same(pair: Pair, run: (rows: Collection<Row>) => Promise<unknown>, asked: object): Promise<boolean> {
  const [embedded, other] = await Promise.all([outcome(run(pair.embedded)), outcome(run(pair.other))])
  if (embedded.refused !== undefined) return false
  expect({ asked, answer: embedded.answer }).to.deep.equal({
    asked,
    answer: other.refused === undefined ? other.answer : `refused: ${other.refused}`,
  })
  return true
}

/** Rows without their order: groups by `[]` and by null are sorted differently, as documents are. */
async function unordered(rows: Promise<unknown[]>): Promise<string[]> {
  return (await rows).map((row) => JSON.stringify(plain(row))).sort()
}

async function outcome(answer: Promise<unknown>): Promise<{ answer?: unknown; refused?: string }> {
  try {
    return { answer: plain(await answer) }
  } catch (error) {
    return { refused: String(error) }
  }
}

// Field order inside documents may differ between servers where MongoDB leaves it open; JSON with sorted keys does not look at it.
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Date) return `date ${value.getTime()}`
  if ('_bsontype' in value) return `${String(value._bsontype)} ${String(value)}`
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, inner]) => [key, plain(inner)]),
  )
}
