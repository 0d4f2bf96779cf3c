import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { serialize } from 'bson'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Collection, type Document, MongoClient } from 'mongodb'
import { createEngine } from '../../server/database/embedded/engine.ts'
import { openStorage } from '../../server/database/embedded/storage/storage.ts'
import { sweepExpired } from '../../server/database/embedded/storage/ttl.ts'
import { createEmbeddedServer } from '../../server/database/embedded/wire/server.ts'
import { document, filter, update } from './store/differential.arbitraries.ts'
import { startTestServer, type TestServer, temporaryDirectory } from './test-server.ts'

type Row = Document & { _id: number }

describe('embedded database engine', () => {
  let server: TestServer
  let client: MongoClient
  const rows = (): Collection<Row> => client.db('engine').collection<Row>('rows')

  beforeEach(async () => {
    server = await startTestServer()
    client = await MongoClient.connect(server.uri)
  })
  afterEach(async () => {
    await client.close()
    await server.stop()
  })

  it('[DB-60] after random writes every index finds exactly what reading everything finds', async () => {
    const seed = Number(process.env['PARLEY_SEED'] ?? randomBytes(4).readInt32LE())
    console.log(`      seed ${seed}`)
    const write = fc.oneof(
      fc.record({ kind: fc.constant('insert' as const), doc: document }),
      fc.record({ kind: fc.constant('update' as const), filter, update }),
      fc.record({ kind: fc.constant('delete' as const), filter }),
    )
    let nextId = 0
    const property = fc.asyncProperty(
      fc.array(write, { minLength: 5, maxLength: 25 }),
      fc.array(filter, { minLength: 5 }),
      async (writes, filters) => {
        await rows().drop()
        await rows().createIndexes([
          { key: { a: 1 } },
          { key: { b: -1, a: 1 } },
          { key: { 'a.x': 1, c: -1 } },
          { key: { c: 1 }, sparse: true },
          { key: { a: -1 }, name: 'partial', partialFilterExpression: { b: { $gt: 0 } } },
        ])
        for (const one of writes) {
          if (one.kind === 'insert')
            await rows()
              .insertOne({ _id: nextId++, ...one.doc })
              .catch(() => undefined)
          else if (one.kind === 'delete') await rows().deleteOne(one.filter)
          else
            await rows()
              .updateMany(one.filter, one.update as Document)
              .catch(() => undefined)
        }
        const ids = async (wanted: Document, hint: string | Document) => {
          const found = await rows().find(wanted).hint(hint).toArray()
          return found.map((row) => row._id).sort((one, other) => one - other)
        }
        for (const wanted of filters) {
          const all = await ids(wanted, { $natural: 1 })
          for (const name of ['a_1', 'b_-1_a_1', 'a.x_1_c_-1', 'c_1', 'partial']) {
            expect({ wanted, name, ids: await ids(wanted, name) }).to.deep.equal({ wanted, name, ids: all })
          }
          expect(await rows().countDocuments(wanted)).to.equal(all.length)
          expect((await client.db('engine').command({ count: 'rows', query: wanted }))['n']).to.equal(all.length)
        }
      },
    )
    await fc.assert(property, { seed, numRuns: 40 })
  })

  it('[DB-61] bytes changed at random in a valid message never end the server', async () => {
    const seed = Number(process.env['PARLEY_SEED'] ?? randomBytes(4).readInt32LE())
    console.log(`      seed ${seed}`)
    const commands: Document[] = [
      { insert: 'rows', documents: [{ _id: 1, a: [1, { b: 'x' }], c: new Date(0) }] },
      {
        update: 'rows',
        updates: [{ q: { a: { $gt: 1 } }, u: { $set: { 'a.b': 1 }, $push: { c: { $each: [1], $slice: -2 } } }, upsert: true }],
      },
      { find: 'rows', filter: { a: { $elemMatch: { $gt: 1 } }, $or: [{ b: /x/i }] }, sort: { a: 1 }, projection: { a: 1 }, limit: 3 },
      { aggregate: 'rows', pipeline: [{ $match: { a: 1 } }, { $group: { _id: '$a', n: { $sum: 1 } } }, { $unwind: '$n' }], cursor: {} },
      { createIndexes: 'rows', indexes: [{ key: { a: 1, b: -1 }, name: 'x', unique: true, partialFilterExpression: { a: 1 } }] },
      { findAndModify: 'rows', query: { a: 1 }, sort: { b: 1 }, update: { $inc: { n: 1 } }, new: true },
    ]
    const changed = fc.tuple(fc.nat(commands.length - 1), fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 4 }))
    const property = fc.asyncProperty(changed, async ([nth, changes]) => {
      const body = Buffer.from(serialize({ ...commands[nth], $db: 'engine' }))
      const message = Buffer.concat([Buffer.alloc(21), body])
      message.writeInt32LE(message.length, 0)
      message.writeInt32LE(2013, 12)
      for (const [at, byte] of changes) message[4 + (at % (message.length - 4))] = byte
      const socket = connect(join(server.directory, 'db.sock'))
      socket.on('error', () => undefined)
      socket.end(message)
      socket.resume()
      await once(socket, 'close')
    })
    const quiet = console.error
    // Every fault that is not a refusal is logged with its stack: hundreds here, and none of them is the point.
    console.error = () => undefined
    try {
      await fc.assert(property, { seed, numRuns: 400 })
    } finally {
      console.error = quiet
    }
    expect(await client.db('engine').command({ ping: 1 })).to.deep.equal({ ok: 1 })
  })

  it('[DB-62] a sparse unique index lets documents without its field be, and a missing one counts as null in a plain one', async () => {
    await rows().createIndex({ token: 1 }, { unique: true, sparse: true })
    await rows().insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3, token: 't' }])
    const sparse = await rows()
      .insertOne({ _id: 4, token: 't' })
      .catch((error) => error)
    expect([sparse.code, sparse.keyPattern, sparse.keyValue]).to.deep.equal([11000, { token: 1 }, { token: 't' }])
    await rows()
      .createIndex({ other: 1 }, { unique: true })
      .catch(() => undefined)
    const plain = client.db('engine').collection<Row>('plain')
    await plain.createIndex({ other: 1 }, { unique: true })
    await plain.insertOne({ _id: 1 })
    const refused = await plain.insertOne({ _id: 2 }).catch((error) => error)
    expect([refused.code, refused.message]).to.deep.equal([
      11000,
      'E11000 duplicate key error collection: engine.plain index: other_1 dup key: { other: null }',
    ])
  })

  it('[DB-63] an update that would break a unique index changes neither the document nor any index', async () => {
    await rows().createIndexes([{ key: { a: 1 } }, { key: { key: 1 }, unique: true }])
    await rows().insertMany([
      { _id: 1, key: 'x', a: 1 },
      { _id: 2, key: 'y', a: 2 },
    ])
    const refused = await rows()
      .updateOne({ _id: 2 }, { $set: { key: 'x', a: 9 } })
      .catch((error) => error)
    expect(refused.code).to.equal(11000)
    expect(
      await rows()
        .find({ a: { $gte: 0 } })
        .hint('a_1')
        .toArray(),
    ).to.deep.equal([
      { _id: 1, key: 'x', a: 1 },
      { _id: 2, key: 'y', a: 2 },
    ])
  })

  it('[DB-64] a cursor goes on behind the last document it gave while others write', async () => {
    await rows().insertMany(Array.from({ length: 300 }, (_, nth) => ({ _id: nth * 2 })))
    const cursor = rows().find({}).sort({ _id: 1 }).batchSize(50)
    const seen: number[] = []
    for (let nth = 0; nth < 50; nth++) seen.push((await cursor.next())?._id ?? -1)
    await rows().deleteMany({ _id: { $gte: 200, $lt: 300 } })
    await rows().insertOne({ _id: 401 })
    for await (const row of cursor) seen.push(row._id)
    const wanted = Array.from({ length: 300 }, (_, nth) => nth * 2).filter((id) => id < 200 || id >= 300)
    expect(seen).to.deep.equal([...wanted, 401].sort((one, other) => one - other))
  })

  it('[DB-65] an expired document is swept, one that is not yet stays, and so does one without a date', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'other.mdb')
    const socketPath = join(directory, 'db.sock')
    const other = await createEmbeddedServer({ socketPath, storage: { path, mode: 'durable' } })
    const direct = await MongoClient.connect(other.uri)
    const some = direct.db('t').collection<Row>('some')
    await some.createIndex({ at: 1 }, { expireAfterSeconds: 60 })
    await some.insertMany([{ _id: 1, at: new Date(0) }, { _id: 2, at: new Date(100_000) }, { _id: 3 }, { _id: 4, at: 'text' }])
    await direct.close()
    await other.stop()
    const storage = openStorage({ path, mode: 'durable', onFatal: () => undefined })
    expect(await sweepExpired(createEngine(storage), 61_000)).to.equal(1)
    await storage.close()
    const again = await createEmbeddedServer({ socketPath, storage: { path, mode: 'durable' } })
    const back = await MongoClient.connect(again.uri)
    expect((await back.db('t').collection<Row>('some').find({}).toArray()).map((row) => row._id)).to.deep.equal([2, 3, 4])
    await back.close()
    await again.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('[DB-66] a document keeps the order and the types of its fields through updates, and its id goes first', async () => {
    const text = (value: Document) => Buffer.from(serialize(value)).toString('hex')
    await client.db('engine').command({
      insert: 'rows',
      documents: [
        new Map<string, unknown>([
          ['z', 1],
          ['10', 'ten'],
          ['2', 'two'],
          ['_id', 7],
        ]),
      ],
    } as Document)
    await rows().updateOne({ _id: 7 }, { $set: { z: 2 } })
    const [raw] = await rows().find({ _id: 7 }, { raw: true }).toArray()
    const wanted = new Map<string, unknown>([
      ['_id', 7],
      ['z', 2],
      ['10', 'ten'],
      ['2', 'two'],
    ])
    expect(Buffer.from(raw as unknown as Uint8Array).toString('hex')).to.equal(text(wanted as unknown as Document))
  })
})
