import { randomInt } from 'node:crypto'
import { rmSync } from 'node:fs'
import { expect } from 'chai'
import { type Collection, MongoClient } from 'mongodb'
import { launchEmbedded } from '../../server/database/embedded/process/launch.ts'
import { temporaryDirectory } from './test-server.ts'

type Row = { _id: string; writer: number; n: number; tags: string[]; state?: string }

const WRITERS = 4
const BATCH = 20

describe('embedded database under kill -9', function () {
  this.timeout(600_000)
  const rounds = Number(process.env['PARLEY_CRASH_ROUNDS'] ?? 10)

  it(`[DB-41] ${rounds} kills at random moments lose nothing acknowledged, and indexes agree with documents`, async () => {
    const directory = temporaryDirectory()
    const acknowledged = new Set<string>()
    const updated = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      const embedded = await launchEmbedded({ directory })
      const { promise: ended, resolve: end } = Promise.withResolvers<void>()
      const client = await MongoClient.connect(embedded.uri, { retryReads: false, retryWrites: false })
      const rows = client.db('t').collection<Row>('rows')
      await rows.createIndex({ writer: 1, n: 1 }, { unique: true })
      await rows.createIndex({ tags: 1 })
      await checkAgainst(rows, acknowledged, updated)
      let isKilled = false
      // Somewhere behind so many batches: a slow machine has written as much by then as a fast one.
      const enough = randomInt(1, 60)
      let written = 0
      const kill = () => {
        isKilled = true
        process.kill(embedded.pid, 'SIGKILL')
        end()
      }
      const writers = Array.from({ length: WRITERS }, async (_, writer) => {
        for (let batch = 0; !isKilled; batch++) {
          const docs = Array.from({ length: BATCH }, (_, nth): Row => {
            const n = (round * 100_000 + batch) * BATCH + nth
            return { _id: `${writer}:${n}`, writer, n, tags: [`t${n % 5}`, `u${n % 3}`] }
          })
          try {
            await rows.insertMany(docs)
            for (const { _id } of docs) acknowledged.add(_id)
            if (++written === enough) setTimeout(kill, randomInt(0, 5))
            const first = docs[0]?._id ?? ''
            await rows.findOneAndUpdate({ _id: first }, { $set: { state: 'done' }, $push: { tags: 'done' } })
            updated.add(first)
          } catch {
            // The kill came before the answer: whether it was written is open, and both are right.
            return
          }
        }
      })
      await ended
      // Whatever waits for its answer, or for the server to come back, is told that it waits in vain.
      await client.close()
      await Promise.all(writers)
    }
    const embedded = await launchEmbedded({ directory })
    const client = await MongoClient.connect(embedded.uri)
    await checkAgainst(client.db('t').collection<Row>('rows'), acknowledged, updated)
    await client.close()
    await embedded.stop()
    rmSync(directory, { recursive: true, force: true })
    expect(acknowledged.size).to.be.at.least(rounds * BATCH)
  })
})

async function checkAgainst(rows: Collection<Row>, acknowledged: Set<string>, updated: Set<string>) {
  const all = await rows.find({}).hint({ $natural: 1 }).toArray()
  const byId = new Map(all.map((row) => [row._id, row]))
  expect([...acknowledged].filter((id) => !byId.has(id))).to.deep.equal([])
  expect([...updated].filter((id) => byId.get(id)?.state !== 'done')).to.deep.equal([])
  const throughUnique = await rows
    .find({ writer: { $gte: 0 } })
    .hint('writer_1_n_1')
    .toArray()
  expect(throughUnique.map((row) => row._id).sort()).to.deep.equal([...byId.keys()].sort())
  for (const tag of ['t0', 't1', 't2', 't3', 't4', 'u0', 'u1', 'u2', 'done']) {
    const through = await rows.find({ tags: tag }).hint('tags_1').toArray()
    const wanted = all.filter((row) => row.tags.includes(tag))
    expect(through.map((row) => row._id).sort()).to.deep.equal(wanted.map((row) => row._id).sort())
  }
}
