import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import { startTestServer, type TestServer } from '../test-server.ts'
import { storeSuite } from './store.suite.ts'

describe('embedded database', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
  })
  after(() => server.stop())

  storeSuite('the embedded server', () => server.uri)

  it('[DB-67] texts that are longer than its keys can be asked for, in either order, and stand where they belong', async () => {
    const client = await MongoClient.connect(server.uri)
    try {
      const rows = client.db('long').collection<{ _id: string; v: string }>('rows')
      const stored = ['a', 'a'.repeat(3_800), `${'a'.repeat(3_800)}b`, 'b', 'c']
      await rows.insertMany(stored.map((v, n) => ({ _id: String(n), v })))
      const long = 'a'.repeat(9_000)
      const filters = ['$eq', '$gt', '$gte', '$lt', '$lte'].flatMap((operator) => [
        { v: { [operator]: long } },
        { _id: { [operator]: `2${long}` } },
      ])
      const found = (order: 1 | -1) =>
        Promise.all(filters.map(async (filter) => (await rows.find(filter).sort({ v: order }).toArray()).map(({ _id }) => Number(_id))))
      const upward = [[], [], [2, 3, 4], [3, 4], [2, 3, 4], [3, 4], [0, 1], [0, 1, 2], [0, 1], [0, 1, 2]]
      const both = [upward, upward.map((ids) => ids.toReversed())]
      expect([await found(1), await found(-1)], 'without an index').to.deep.equal(both)
      for (const order of [1, -1] as const) {
        const name = await rows.createIndex({ v: order })
        expect([await found(1), await found(-1)], name).to.deep.equal(both)
        await rows.dropIndex(name)
      }
      expect(await rows.findOne({ _id: long })).to.equal(null)
      expect(await rows.countDocuments({ _id: { $gt: `2${long}` } })).to.equal(2)
      expect((await rows.updateOne({ _id: long }, { $set: { v: 'x' } })).matchedCount).to.equal(0)
      expect((await rows.deleteOne({ _id: long })).deletedCount).to.equal(0)
    } finally {
      await client.close()
    }
  })
})
