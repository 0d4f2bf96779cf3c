import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { type Collection, type Db, type Document, GridFSBucket, Long, MongoClient, MongoServerError, ObjectId } from 'mongodb'
import { Mongoose, Schema } from 'mongoose'
import { aggregationPromises } from './store-aggregation.suite.ts'
import { rangePromises } from './store-ranges.suite.ts'

type Row = Document & { _id: string }

/** What every database behind the hub must do, asked through the official driver. Runs on any MongoDB URI. */
export function storeSuite(name: string, uri: () => string) {
  describe(`store promises on ${name}`, () => {
    let client: MongoClient
    let db: Db
    let rows: Collection<Row>

    before(async () => {
      client = await MongoClient.connect(uri())
      db = client.db(`parley_suite_${randomBytes(4).toString('hex')}`)
    })
    beforeEach(async () => {
      rows = db.collection<Row>(`rows_${randomBytes(4).toString('hex')}`)
    })
    after(async () => {
      await db.dropDatabase()
      await client.close()
    })

    aggregationPromises(() => rows)
    rangePromises(() => rows)

    const ids = async (filter: object, sort?: Record<string, 1 | -1>) => {
      const cursor = rows.find(filter)
      if (sort) cursor.sort(sort)
      return (await cursor.toArray()).map((row) => row._id)
    }

    it('[DB-1] an ordered insert stops at the first duplicate, keeps what went before and tries nothing after', async () => {
      await rows.insertOne({ _id: 'b' })
      const error = await rows.insertMany([{ _id: 'a' }, { _id: 'b' }, { _id: 'c' }]).catch((refused) => refused)
      expect([error.code, error.result.insertedCount, error.writeErrors[0].index]).to.deep.equal([11000, 1, 1])
      expect(await ids({}, { _id: 1 })).to.deep.equal(['a', 'b'])
    })

    it('[DB-2] an unordered insert tries every document and names each duplicate by its place', async () => {
      await rows.insertOne({ _id: 'b' })
      const docs = [{ _id: 'a' }, { _id: 'b' }, { _id: 'c' }, { _id: 'a' }]
      const error = await rows.insertMany(docs, { ordered: false }).catch((refused) => refused)
      expect(error.writeErrors.map((one: { index: number }) => one.index)).to.deep.equal([1, 3])
      expect(await ids({}, { _id: 1 })).to.deep.equal(['a', 'b', 'c'])
    })

    it('[DB-3] a unique compound index refuses a second document with code 11000', async () => {
      await rows.createIndex({ stream: 1, 'by.id': 1, key: 1 }, { unique: true })
      await rows.insertOne({ _id: '1', stream: 's', by: { id: 'u' }, key: 'k' })
      const error = await rows.insertOne({ _id: '2', stream: 's', by: { id: 'u' }, key: 'k' }).catch((refused) => refused)
      expect(error.code).to.equal(11000)
      await rows.insertOne({ _id: '3', stream: 's', by: { id: 'other' }, key: 'k' })
      expect(await ids({}, { _id: 1 })).to.deep.equal(['1', '3'])
    })

    it('[DB-4] a range of ids comes in order, whole, through batches of any size', async () => {
      const all = Array.from({ length: 1200 }, (_, nth) => ({ _id: `s:${String(nth + 1).padStart(12, '0')}` }))
      await rows.insertMany(all)
      const found = await rows
        .find({ _id: { $gt: 's:000000000100', $lte: 's:000000000700' } })
        .sort({ _id: 1 })
        .batchSize(37)
        .toArray()
      expect(found).to.deep.equal(all.slice(100, 700))
      const back = await rows
        .find({ _id: { $lt: 's:000000000100' } })
        .sort({ _id: -1 })
        .limit(5)
        .toArray()
      expect(back).to.deep.equal(all.slice(94, 99).reverse())
    })

    it('[DB-5] of many conditional updates of one document exactly one wins', async () => {
      await rows.insertOne({ _id: 'floor', state: 'open', term: 1 })
      const tries = Array.from({ length: 20 }, (_, nth) =>
        rows.findOneAndUpdate(
          { _id: 'floor', state: 'open' },
          { $set: { state: 'held', by: nth }, $inc: { term: 1 } },
          { returnDocument: 'after' },
        ),
      )
      const won = (await Promise.all(tries)).filter((row) => row !== null)
      expect(won).to.have.length(1)
      expect(await rows.findOne({ _id: 'floor' })).to.deep.equal(won[0])
      expect(won[0]?.['term']).to.equal(2)
    })

    it('[DB-6] concurrent upserts of one key under a unique index leave one document', async () => {
      await rows.createIndex({ key: 1 }, { unique: true })
      const upsert = () => rows.updateOne({ key: 'k' }, { $inc: { n: 1 }, $setOnInsert: { first: true } }, { upsert: true })
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, upsert))
      const made = outcomes.filter(({ status }) => status === 'fulfilled').length
      const [row, ...more] = await rows.find({ key: 'k' }).toArray()
      expect(more).to.deep.equal([])
      expect({ n: row?.['n'], first: row?.['first'] }).to.deep.equal({ n: made, first: true })
    })

    it('[DB-7] update operators change what they name and nothing else', async () => {
      await rows.insertOne({
        _id: 'a',
        n: 1,
        tags: ['x', 'y'],
        deep: { a: 1, list: [{ q: 1 }, { q: 2 }] },
        gone: true,
        min: 5,
        max: 5,
        old: 'name',
      })
      const change = {
        $set: { 'deep.b.c': 'new', 'deep.list.1.q': 20 },
        $unset: { gone: '' },
        $inc: { n: 2.5 },
        $min: { min: 3 },
        $max: { max: 9 },
        $rename: { old: 'fresh' },
        $push: { tags: { $each: ['z', 'w'], $slice: -3 } },
        $setOnInsert: { never: 1 },
      } as object
      const result = await rows.updateOne({ _id: 'a' }, change)
      expect([result.matchedCount, result.modifiedCount]).to.deep.equal([1, 1])
      expect(await rows.findOne({ _id: 'a' })).to.deep.equal({
        _id: 'a',
        n: 3.5,
        tags: ['y', 'z', 'w'],
        deep: { a: 1, list: [{ q: 1 }, { q: 20 }], b: { c: 'new' } },
        min: 3,
        max: 9,
        fresh: 'name',
      })
      await rows.updateOne({ _id: 'a' }, {
        $addToSet: { tags: { $each: ['y', 'v'] } },
        $pull: { 'deep.list': { q: { $gt: 10 } } },
        $mul: { n: 2 },
      } as object)
      await rows.updateOne({ _id: 'a' }, { $pop: { tags: -1 } } as object)
      const row = await rows.findOne({ _id: 'a' })
      expect([row?.['tags'], row?.['n'], (row?.['deep'] as { list: unknown } | undefined)?.list]).to.deep.equal([
        ['z', 'w', 'v'],
        7,
        [{ q: 1 }],
      ])
    })

    it('[DB-8] numbers keep their types: long arithmetic is exact past 2^53', async () => {
      const big = Long.fromString('9007199254740993')
      await rows.insertOne({ _id: 'a', big, int: 2147483647 })
      await rows.updateOne({ _id: 'a' }, { $inc: { big: 2, int: 1 } } as object)
      const row = await rows.findOne({ _id: 'a' }, { promoteLongs: false })
      expect([String(row?.['big']), String(row?.['int'])]).to.deep.equal(['9007199254740995', '2147483648'])
      expect(await ids({ big: Long.fromString('9007199254740995') })).to.deep.equal(['a'])
      expect(await ids({ big: Long.fromString('9007199254740994') })).to.deep.equal([])
    })

    it('[DB-9] the id of a document cannot be changed', async () => {
      await rows.insertOne({ _id: 'a' })
      const error = await rows.updateOne({ _id: 'a' }, { $set: { _id: 'b' } } as object).catch((refused) => refused)
      expect(error.code).to.equal(66)
    })

    it('[DB-10] a partial index is unique only among the documents it holds', async () => {
      await rows.createIndex({ claim: 1 }, { unique: true, partialFilterExpression: { open: true } })
      await rows.insertMany([
        { _id: '1', claim: 'c', open: true },
        { _id: '2', claim: 'c', open: false },
        { _id: '3', claim: 'c' },
      ])
      const error = await rows.updateOne({ _id: '2' }, { $set: { open: true } }).catch((refused) => refused)
      expect(error.code).to.equal(11000)
      await rows.updateOne({ _id: '1' }, { $set: { open: false } })
      await rows.updateOne({ _id: '2' }, { $set: { open: true } })
      expect(await ids({ claim: 'c', open: true })).to.deep.equal(['2'])
    })

    it('[DB-11] array elements are found one by one, and through an index once each', async () => {
      await rows.createIndex({ tokens: 1 })
      await rows.insertMany([
        { _id: '1', tokens: ['red', 'green'] },
        { _id: '2', tokens: ['green', 'blue'] },
        { _id: '3', tokens: [] },
      ])
      expect(await ids({ tokens: 'green' }, { _id: 1 })).to.deep.equal(['1', '2'])
      expect(await ids({ tokens: { $all: ['green', 'red'] } })).to.deep.equal(['1'])
      expect(await ids({ tokens: { $in: ['red', 'green', 'blue'] } }, { _id: 1 })).to.deep.equal(['1', '2'])
      expect(await ids({ tokens: { $size: 0 } })).to.deep.equal(['3'])
    })

    it('[DB-12] a bulk write runs its operations in order and counts each kind', async () => {
      const result = await rows.bulkWrite([
        { insertOne: { document: { _id: 'a', n: 1 } } },
        { insertOne: { document: { _id: 'b', n: 2 } } },
        { updateMany: { filter: {}, update: { $inc: { n: 10 } } } },
        { updateOne: { filter: { _id: 'c' }, update: { $set: { n: 3 } }, upsert: true } },
        { replaceOne: { filter: { _id: 'b' }, replacement: { z: 1 } } },
        { deleteOne: { filter: { _id: 'a' } } },
      ])
      const { insertedCount, modifiedCount, upsertedCount, deletedCount } = result
      expect({ insertedCount, modifiedCount, upsertedCount, deletedCount }).to.deep.equal({
        insertedCount: 2,
        modifiedCount: 3,
        upsertedCount: 1,
        deletedCount: 1,
      })
      expect(await rows.find({}).sort({ _id: 1 }).toArray()).to.deep.equal([
        { _id: 'b', z: 1 },
        { _id: 'c', n: 3 },
      ])
    })

    it('[DB-13] GridFS gives back the bytes it was given, and forgets them when told', async () => {
      const bucket = new GridFSBucket(db, { bucketName: 'evidence', chunkSizeBytes: 10_000 })
      const bytes = randomBytes(123_456)
      const upload = bucket.openUploadStream('proof.bin', { metadata: { run: 'r1' } })
      upload.end(bytes)
      await new Promise((resolve, reject) => upload.on('finish', resolve).on('error', reject))
      const parts: Buffer[] = []
      for await (const part of bucket.openDownloadStream(upload.id)) parts.push(part as Buffer)
      expect(Buffer.concat(parts).equals(bytes)).to.equal(true)
      await bucket.delete(upload.id)
      expect(await db.collection('evidence.chunks').countDocuments({})).to.equal(0)
    })

    it('[DB-14] explicit sessions and every write concern of one server are accepted', async () => {
      const session = client.startSession()
      await rows.insertOne({ _id: 'a' }, { session, writeConcern: { w: 'majority', journal: true } })
      await rows.insertOne({ _id: 'b' }, { writeConcern: { w: 1 } })
      expect(await rows.find({}, { session }).sort({ _id: 1 }).toArray()).to.deep.equal([{ _id: 'a' }, { _id: 'b' }])
      await session.endSession()
    })

    it('[DB-15] a mongoose model with a unique index validates, saves, finds and refuses a duplicate', async () => {
      const mongoose = new Mongoose()
      await mongoose.connect(uri(), { dbName: db.databaseName, autoIndex: false })
      const schema = new Schema({
        email: { type: String, required: true, unique: true },
        tags: [String],
        at: { type: Date, default: Date.now },
      })
      const User = mongoose.model('User', schema)
      await User.createIndexes()
      const saved = await User.create({ email: 'a@b.c', tags: ['x'] })
      saved.tags.push('y')
      await saved.save()
      const found = await User.findOne({ email: 'a@b.c' }).lean()
      expect([found?.tags, String(found?._id)]).to.deep.equal([['x', 'y'], String(saved._id)])
      const error = await User.create({ email: 'a@b.c' }).catch((refused) => refused)
      expect(error.code).to.equal(11000)
      await mongoose.disconnect()
    })

    it('[DB-16] a sort orders values as MongoDB orders types, and skip and limit cut it', async () => {
      const values = [true, 'b', 3, null, { a: 1 }, 1.5, 'a', new Date(5), new ObjectId('000000000000000000000001')]
      await rows.insertMany(values.map((v, nth) => ({ _id: String(nth), v })))
      const sorted = ['3', '5', '2', '6', '1', '4', '8', '0', '7']
      expect(await ids({}, { v: 1 })).to.deep.equal(sorted)
      await rows.createIndex({ v: 1 })
      expect(await ids({}, { v: -1 })).to.deep.equal([...sorted].reverse())
      const some = await rows.find({}).sort({ v: 1 }).skip(2).limit(3).toArray()
      expect(some.map((row) => row._id)).to.deep.equal(['2', '6', '1'])
    })

    it('[DB-18] a projection shows the fields it names, and leaves out those it puts out', async () => {
      await rows.insertOne({ _id: 'a', secret: 's', by: { id: 'u', name: 'n' }, list: [{ a: 1, b: 2 }, { a: 3 }] })
      const projected = (projection: object) => rows.findOne({ _id: 'a' }, { projection })
      expect(await projected({ 'by.id': 1, 'list.a': 1 })).to.deep.equal({ _id: 'a', by: { id: 'u' }, list: [{ a: 1 }, { a: 3 }] })
      expect(await projected({ secret: 0, by: 0 })).to.deep.equal({ _id: 'a', list: [{ a: 1, b: 2 }, { a: 3 }] })
      expect(await projected({ _id: 0, secret: 1 })).to.deep.equal({ secret: 's' })
    })

    it('[DB-19] a find-and-modify with a sort takes one document at a time from a queue', async () => {
      await rows.insertMany([3, 1, 2].map((n) => ({ _id: `job-${n}`, n, state: 'queued' })))
      await rows.createIndex({ state: 1, n: 1 })
      const take = () => rows.findOneAndUpdate({ state: 'queued' }, { $set: { state: 'taken' } }, { sort: { n: 1 } })
      const taken = [await take(), await take(), await take(), await take()]
      expect(taken.map((row) => row?._id)).to.deep.equal(['job-1', 'job-2', 'job-3', undefined])
      const removed = await rows.findOneAndDelete({ state: 'taken' }, { sort: { n: -1 } })
      expect(removed).to.deep.equal({ _id: 'job-3', n: 3, state: 'taken' })
    })

    it('[DB-20] indexes are listed, dropped by name, and a duplicate in the data refuses a unique one', async () => {
      await rows.insertMany([
        { _id: '1', a: 1 },
        { _id: '2', a: 1 },
      ])
      const error = await rows.createIndex({ a: 1 }, { unique: true }).catch((refused) => refused)
      expect(error).to.be.instanceOf(MongoServerError)
      await rows.createIndex({ a: 1, b: -1 }, { name: 'both' })
      expect((await rows.indexes()).map((index) => index.name).sort()).to.deep.equal(['_id_', 'both'])
      await rows.dropIndex('both')
      expect((await rows.indexes()).map((index) => index.name)).to.deep.equal(['_id_'])
    })
  })
}
