import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { deserialize, serialize } from 'bson'
import { expect } from 'chai'
import { type Db, type Document, MongoClient } from 'mongodb'
import { startTestServer, type TestServer } from './test-server.ts'

describe('embedded database wire', () => {
  let server: TestServer
  let client: MongoClient
  let db: Db

  before(async () => {
    server = await startTestServer()
    client = await MongoClient.connect(server.uri)
    db = client.db('wire')
  })
  after(async () => {
    await client.close()
    await server.stop()
  })

  const refusal = async (command: Document): Promise<[number, string]> => {
    const error = await db.command(command).then(
      () => expect.fail(`answered ${JSON.stringify(command)}`),
      (refused) => refused,
    )
    return [error.code, error.message]
  }
  const rows = () => db.collection<Document & { _id: number }>('rows')

  it('[DB-50] garbage bytes close their own connection and no other', async () => {
    const garbage = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(64, 0xff), Buffer.alloc(16), unknownOperation()]
    for (const bytes of garbage) {
      const socket = dial(server)
      socket.write(bytes)
      socket.resume()
      await once(socket, 'close')
    }
    expect(await db.command({ ping: 1 })).to.deep.equal({ ok: 1 })
  })

  it('[DB-51] a malformed or too deep document is refused with its code, and the connection goes on', async () => {
    const socket = dial(server)
    const broken = Buffer.from(serialize({ ping: 1, $db: 'admin', text: 'abc' }))
    broken.writeInt32LE(999, broken.indexOf('text') + 5)
    expect((await ask(socket, broken))['code']).to.equal(22)
    let deep: Document = {}
    for (let level = 0; level < 120; level++) deep = { a: deep }
    expect((await ask(socket, Buffer.from(serialize({ insert: 'c', documents: [deep], $db: 'wire' }))))['code']).to.equal(15)
    expect((await ask(socket, Buffer.from(serialize({ ping: 1, $db: 'admin' }))))['ok']).to.equal(1)
    socket.destroy()
  })

  it('[DB-52] the legacy hello is answered, and looks like a server of its own without a replica set', async () => {
    const socket = dial(server)
    const head = Buffer.alloc(16 + 4 + 11 + 8)
    head.write('admin.$cmd', 20)
    head.writeInt32LE(-1, head.length - 4)
    const body = Buffer.from(serialize({ ismaster: 1, helloOk: true }))
    head.writeInt32LE(head.length + body.length, 0)
    head.writeInt32LE(2004, 12)
    socket.write(Buffer.concat([head, body]))
    const [reply] = (await once(socket, 'data')) as [Buffer]
    const hello = deserialize(reply.subarray(36))
    expect([hello['ismaster'], hello['setName'], hello['maxWireVersion'] >= 21]).to.deep.equal([true, undefined, true])
    socket.destroy()
  })

  it('[DB-53] what is not offered is refused by name with the code of MongoDB', async () => {
    await rows().insertOne({ _id: 0 })
    const refusals: [Document, number, string][] = [
      [{ mapReduce: 'rows' }, 59, 'mapReduce'],
      [{ find: 'rows', filter: { $where: 'true' } }, 2, '$where'],
      [{ find: 'rows', filter: { a: { $near: [0, 0] } } }, 2, '$near'],
      [{ find: 'rows', filter: { $text: { $search: 'a' } } }, 2, '$text'],
      [{ find: 'rows', collation: { locale: 'de' } }, 115, 'collation'],
      [{ find: 'rows', tailable: true }, 115, 'tailable'],
      [{ find: 'rows', nonsense: 1 }, 40415, 'nonsense'],
      [{ find: 'rows', filter: { a: { $regex: '(?=a)' } } }, 51091, 'RE2'],
      [{ find: 'rows', projection: { 'a.$': 1 } }, 2, 'positional'],
      [{ find: 'rows', readConcern: { level: 'snapshot' } }, 123, 'snapshot'],
      [{ aggregate: 'rows', pipeline: [{ $out: 'x' }], cursor: {} }, 115, '$out'],
      [{ aggregate: 'rows', pipeline: [{ $merge: 'x' }], cursor: {} }, 115, '$merge'],
      [{ aggregate: 'rows', pipeline: [{ $changeStream: {} }], cursor: {} }, 40573, '$changeStream'],
      [{ aggregate: 'rows', pipeline: [{ $bucketAuto: {} }], cursor: {} }, 40324, '$bucketAuto'],
      [{ aggregate: 'rows', pipeline: [{ $project: { a: { $function: {} } } }], cursor: {} }, 168, '$function'],
      [{ createIndexes: 'rows', indexes: [{ key: { a: 'text' }, name: 'a' }] }, 67, 'text'],
      [{ createIndexes: 'rows', indexes: [{ key: { a: 1 }, name: 'a', collation: { locale: 'de' } }] }, 115, 'collation'],
      [{ insert: 'rows', documents: [{}], writeConcern: { w: 3 } }, 2, "'w' > 1"],
      [{ insert: 'rows', documents: [{}], txnNumber: 1, lsid: {} }, 20, 'replica set'],
    ]
    for (const [command, code, word] of refusals) {
      const [given, text] = await refusal(command)
      expect({ command, code: given, hasWord: text.includes(word) }, text).to.deep.equal({ command, code, hasWord: true })
    }
  })

  it('[DB-54] updates that are not offered are refused by name and change nothing', async () => {
    await rows().insertOne({ _id: 1, list: [{ a: 1 }] })
    const updates: [Document, Document, number][] = [
      [{ $set: { 'list.$.a': 2 } }, {}, 2],
      [{ $set: { 'list.$[x].a': 2 } }, { arrayFilters: [{ 'x.a': 1 }] }, 115],
      [{ $bit: { n: { and: 1 } } }, {}, 9],
      [{ $set: { a: 1 }, $inc: { a: 1 } }, {}, 40],
    ]
    for (const [update, options, code] of updates) {
      const error = await rows()
        .updateOne({ _id: 1 }, update, options)
        .catch((refused) => refused)
      expect([update, error.code]).to.deep.equal([update, code])
    }
    const pipeline = await rows()
      .updateOne({ _id: 1 }, [{ $set: { a: 1 } }])
      .catch((refused) => refused)
    expect(pipeline.code).to.equal(115)
    expect(await rows().findOne({ _id: 1 })).to.deep.equal({ _id: 1, list: [{ a: 1 }] })
  })

  it('[DB-55] a transaction and a change stream are refused as a server without a replica set does', async () => {
    const session = client.startSession()
    session.startTransaction()
    const error = await rows()
      .insertOne({ _id: 9 }, { session })
      .catch((refused) => refused)
    // The driver words this refusal anew and keeps the server's inside.
    expect([error.originalError?.code ?? error.code, await rows().countDocuments({ _id: 9 })]).to.deep.equal([20, 0])
    await session.abortTransaction().catch(() => undefined)
    await session.endSession()
    const stream = rows().watch()
    const refused = await stream.next().catch((failed) => failed)
    expect(refused.code).to.equal(40573)
    await stream.close()
  })

  it('[DB-56] documents of up to 16 MB are kept whole, and larger ones refused', async () => {
    const big = 'x'.repeat(16 * 1024 * 1024 - 200)
    await rows().createIndex({ kind: 1 })
    await rows().insertMany([
      { _id: 100, kind: 'big', big },
      { _id: 101, kind: 'big', big: 'y'.repeat(8_000_000) },
    ])
    const found = await rows().find({ kind: 'big' }).sort({ kind: 1 }).toArray()
    expect(found.map((row) => row['big'].length).sort((one, other) => one - other)).to.deep.equal([8_000_000, big.length])
    const error = await db
      .command({ update: 'rows', updates: [{ q: { _id: 100 }, u: { $set: { more: 'z'.repeat(1000) } } }] })
      .then((reply) => reply['writeErrors'][0])
    expect(error.code).to.equal(10334)
    await rows().deleteMany({ kind: 'big' })
  })

  it('[DB-57] explain names the index that serves the hot queries, and says so when there is none', async () => {
    const log = db.collection<Document & { _id: string }>('log')
    await log.createIndex({ stream: 1, 'by.id': 1, key: 1 }, { unique: true })
    await log.createIndex({ due_at: 1 }, { partialFilterExpression: { state: 'pending' } })
    await log.insertOne({ _id: 's:1', stream: 's', by: { id: 'u' }, key: 'k', state: 'pending', due_at: 1 })
    const planOf = async (filter: Document, sort: Document = {}) => {
      const { queryPlanner } = await log
        .find(filter)
        .sort(sort as Record<string, 1>)
        .explain()
      const { stage, inputStage } = queryPlanner.winningPlan
      const scan = inputStage?.stage === 'IXSCAN' ? [inputStage.indexName, inputStage.direction] : []
      return [stage, inputStage?.stage, ...scan].filter((part) => part !== undefined)
    }
    expect(await planOf({ _id: { $gt: 's:0', $lte: 's:9' } }, { _id: 1 })).to.deep.equal(['FETCH', 'IXSCAN', '_id_', 'forward'])
    const byKey = ['FETCH', 'IXSCAN', 'stream_1_by.id_1_key_1', 'forward']
    expect(await planOf({ stream: 's', 'by.id': 'u', key: 'k' })).to.deep.equal(byKey)
    expect(await planOf({ stream: 's', 'by.id': { $in: ['u', 'v'] } })).to.deep.equal(byKey)
    expect(await planOf({ stream: 's', 'by.id': 'u' }, { key: -1 })).to.deep.equal([...byKey.slice(0, 3), 'backward'])
    expect(await planOf({ state: 'pending', due_at: { $lt: 5 } }, { due_at: 1 })).to.deep.equal(['FETCH', 'IXSCAN', 'due_at_1', 'forward'])
    expect(await planOf({ state: 'done', due_at: { $lt: 5 } })).to.deep.equal(['COLLSCAN'])
    expect(await planOf({ other: 1 }, { other: 1 })).to.deep.equal(['SORT', 'COLLSCAN'])
    await log.createIndex({ tags: 1, at: 1 })
    await log.insertOne({ _id: 's:2', key: '2', tags: ['a', 'b'], at: 2 })
    expect(await planOf({ tags: 'a', at: { $lt: 9 } }, { at: -1 })).to.deep.equal(['FETCH', 'IXSCAN', 'tags_1_at_1', 'backward'])
    expect(await planOf({ tags: { $in: ['a', 'b'] } }, { at: -1 })).to.deep.equal(['SORT', 'FETCH'])
    await log.insertOne({ _id: 's:3', key: '3', tags: 'a', at: [1, 3] })
    expect(await planOf({ tags: 'a' }, { at: -1 }), 'arrays behind the equality too').to.deep.equal(['SORT', 'FETCH'])
  })

  it('[DB-58] a batch of more than 100,000 operations is refused, and one of that many is written', async () => {
    const documents = Array.from({ length: 100_001 }, (_, nth) => ({ _id: nth }))
    expect((await refusal({ insert: 'many', documents }))[0]).to.equal(72)
    expect(await db.command({ insert: 'many', documents: documents.slice(1) })).to.deep.equal({ n: 100_000, ok: 1 })
    expect(await db.collection('many').estimatedDocumentCount()).to.equal(100_000)
  })

  it('[DB-59] an unacknowledged write is made, and what follows on its connection sees it', async () => {
    const single = await MongoClient.connect(server.uri, { maxPoolSize: 1 })
    const some = single.db('wire').collection<Document & { _id: number }>('unacknowledged')
    await some.insertOne({ _id: 1 }, { writeConcern: { w: 0 } })
    expect(await some.findOne({})).to.deep.equal({ _id: 1 })
    await single.close()
  })
})

function dial({ uri }: TestServer): Socket {
  return connect(decodeURIComponent(uri.slice('mongodb://'.length, -1))).on('error', () => undefined)
}

function message(body: Buffer): Buffer {
  const head = Buffer.alloc(21)
  head.writeInt32LE(21 + body.length, 0)
  head.writeInt32LE(2013, 12)
  return Buffer.concat([head, body])
}

function unknownOperation(): Buffer {
  const bytes = message(Buffer.from(serialize({ ping: 1 })))
  bytes.writeInt32LE(2002, 12)
  return bytes
}

async function ask(socket: Socket, body: Buffer): Promise<Document> {
  socket.write(message(body))
  const [reply] = (await once(socket, 'data')) as [Buffer]
  return deserialize(reply.subarray(21))
}
