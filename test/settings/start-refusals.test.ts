import { hash } from 'node:crypto'
import { copyFile, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import mongoose from 'mongoose'
import { StartRefusal } from '../../server/core/start-refusal.ts'
import { openDatabase } from '../../server/database/open.ts'
import { refusedUri } from '../../server/database/refused-uri.ts'
import { createManualClock } from '../harness/clock.ts'
import { startHub } from '../harness/hub.ts'
import { openContract } from '../harness/people.ts'
import { freePort, RefusedToStart, startHubProcess } from '../harness/processes/hub-process.ts'
import { forgetFolders, temporaryFolder } from '../scripts/temporary-folder.ts'

describe('a hub that cannot reach what it is told to', () => {
  afterEach(forgetFolders)

  it('[SET-6] names MONGODB_URI, the host and what to do, and never the user or the password', async () => {
    const port = await freePort() // where nobody listens
    const env = { MONGODB_URI: `mongodb://someone:hidden-word@127.0.0.1:${port}/parley` }
    const error = await startHubProcess({ data_dir: temporaryFolder(), port: await freePort(), env }).catch((thrown: unknown) => thrown)
    expect(error).to.be.instanceOf(RefusedToStart)
    expect(String(error)).to.contain(`MONGODB_URI: no database answers at 127.0.0.1:${port}`).and.to.contain('correct the address')
    expect(String(error)).not.to.contain('hidden-word').and.not.to.contain('someone')
  })

  it('[SET-6] tells an address that cannot be read, and a user who is not let in, from a server that is away', async () => {
    for (const uri of ['mongodb://someone:hid@den/word@db.invalid/parley', 'mongodb://someone:hid@den@db.invalid', 'mongodb://']) {
      const opened = await openDatabase({ uri, directory: '', onTrouble: () => undefined }).catch((thrown: unknown) => thrown)
      expect(opened, uri).to.have.property('fix').that.contains('%40')
      expect(String(opened))
        .to.contain('MONGODB_URI cannot be read')
        .and.not.to.match(/hid|den|word/)
    }
    const uri = 'mongodb://someone:hidden-word@db.example.com:27017/parley?authSource=admin&appName=a@b'
    const kinds = [
      [Object.assign(new Error('Authentication failed.'), { code: 18 }), 'does not let the hub in'],
      [Object.assign(new Error('command requires authentication'), { code: 13 }), 'does not let the hub in'],
      [new Error(`no answer from ${uri}`), 'no database answers'],
    ] as const
    for (const [cause, part] of kinds) {
      const { message, fix } = refusedUri(uri, cause)
      expect(message).to.contain('MONGODB_URI').and.to.contain('db.example.com:27017').and.to.contain(part)
      expect(`${message} ${fix}`).not.to.match(/hidden-word|someone/)
    }
  })

  it('[SET-7] names REDIS_URL and its host, never the password, and runs on without it', async () => {
    const silent = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { port: number } // it listens on TCP
    const hub = await startHub({ redis_url: `redis://someone:hidden-word@127.0.0.1:${port}` })
    expect((await hub.get('/livez')).status).to.equal(200)
    const told = await hub.troubled((trouble) => JSON.stringify(trouble).includes('REDIS_URL'))
    await hub.close()
    silent.close()
    expect(told.details['what']).to.contain(`REDIS_URL: no Redis at 127.0.0.1:${port}`)
    expect(hub.troubles.map(({ details }) => `${details['what']} ${details['error']}`).join()).not.to.contain('hidden-word')
  })

  it('[SET-8] a second hub on one data directory without Redis says so once, with advice', async () => {
    const first = await startHub()
    const second = await startHub({ like: first })
    expect(second.troubles).to.have.length(1)
    expect(second.troubles[0]).to.deep.include({ level: 'warn', event: 'hub.beside_another' })
    expect(second.troubles[0]?.details['detail']).to.contain(first.url)
    expect(second.troubles[0]?.details['fix']).to.contain('REDIS_URL').and.to.contain('PARLEY_DATA_DIR')
    await second.close()
    await first.close()
  })

  it('[SET-8] so does one with a data directory of its own on the same MONGODB_URI, once the other gives a sign of life', async () => {
    const clock = createManualClock()
    const first = await startHub({ clock })
    const data_dir = temporaryFolder()
    for (const file of ['secret', 'operator.token']) await copyFile(join(first.data_dir, file), join(data_dir, file))
    const second = await startHub({ clock, like: { ...first, data_dir } })
    expect(second.troubles).to.deep.equal([])
    let told = false
    void second.troubled(({ event }) => event === 'hub.beside_another').then(() => (told = true))
    while (!told) {
      clock.advance(20_000)
      await second.get('/health')
    }
    for (let turn = 0; turn < 3; turn++) {
      clock.advance(20_000)
      await second.get('/health')
    }
    expect(second.troubles.map(({ event }) => event)).to.deep.equal(['hub.beside_another'])
    expect(second.troubles[0]?.details['detail']).to.contain(first.url).and.to.contain('same database')
    expect(second.troubles[0]?.details['fix']).to.contain('REDIS_URL').and.to.contain('MONGODB_URI')
    expect(first.troubles).to.deep.equal([])
    await second.close()
    await first.close()
  })

  it('[SET-11] a hub beside one that takes another operator’s token says so once, with what to copy or set, and without a token', async () => {
    const clock = createManualClock()
    const first = await startHub({ clock })
    const data_dir = temporaryFolder()
    await copyFile(join(first.data_dir, 'secret'), join(data_dir, 'secret'))
    const second = await startHub({ clock, like: { ...first, data_dir } })
    let told = 0
    for (const event of ['hub.beside_another', 'hub.operator_token_differs'])
      void second.troubled((trouble) => trouble.event === event).then(() => told++)
    while (told < 2) {
      clock.advance(20_000)
      await second.get('/health')
    }
    for (let turn = 0; turn < 3; turn++) {
      clock.advance(20_000)
      await second.get('/health')
    }
    const warned = second.troubles.filter(({ event }) => event === 'hub.operator_token_differs')
    expect(warned).to.have.length(1)
    expect(warned[0]?.details['detail']).to.contain(first.url)
    expect(warned[0]?.details['fix']).to.contain('PARLEY_OPERATOR_TOKEN').and.to.contain(join(data_dir, 'operator.token'))
    for (const token of [first.operator_token, second.operator_token]) expect(JSON.stringify(second.troubles)).to.not.contain(token)
    expect(first.troubles).to.deep.equal([])
    await second.close()
    await first.close()
  })

  it('[SET-9] a hub with another secret than its database was begun with does not start, and says what to copy or set', async () => {
    const first = await startHub()
    const data_dir = temporaryFolder()
    const like = { ...first, data_dir }
    const refused = await startHub({ like }).catch((thrown: unknown) => thrown)
    expect(refused).to.be.instanceOf(StartRefusal)
    expect(String(refused)).to.contain("not the one that this database's keys were made under")
    expect((refused as StartRefusal).fix)
      .to.contain(join(data_dir, 'secret'))
      .and.to.contain('PARLEY_SECRET')
      .and.to.contain('MONGODB_URI')
    await copyFile(join(first.data_dir, 'secret'), join(data_dir, 'secret'))
    const second = await startHub({ like })
    const { requester } = await openContract(first)
    expect((await second.get('/me', requester.bearer)).status).to.equal(200)
    await second.close()
    await first.close()
  })

  it('[SET-12] nothing in the database is a bare hash of the secret; the mark of a hub of before still counts, and is replaced', async () => {
    const first = await startHub()
    const secret = (await readFile(join(first.data_dir, 'secret'), 'utf8')).trim()
    const bare = hash('sha256', `parley secret mark ${secret}`, 'hex').slice(0, 16)
    const connection = await mongoose.createConnection(first.mongodb_uri, { dbName: first.database_name }).asPromise()
    const meta = connection.collection<{ _id: string; value: string }>('meta')
    const marks = () => meta.find({ _id: /^secret_mark/ }).toArray()
    const [mark, ...more] = await marks()
    expect(more).to.deep.equal([])
    expect(mark?.value).to.not.include(bare)
    await meta.deleteOne({ _id: mark?._id ?? '' })
    await meta.insertOne({ _id: 'secret_mark', value: bare })
    const foreign = await startHub({ like: { ...first, data_dir: temporaryFolder() } }).catch((thrown: unknown) => thrown)
    expect(foreign).to.be.instanceOf(StartRefusal)
    expect(await marks()).to.deep.equal([{ _id: 'secret_mark', value: bare }])
    await (await startHub({ like: first })).close()
    expect(await marks()).to.deep.equal([mark])
    await connection.close()
    await first.close()
  })

  it('[SET-8] a hub that was stopped or killed does not count as one beside', async () => {
    const data_dir = temporaryFolder()
    const start = async () => startHubProcess({ data_dir, port: await freePort() })
    await (await start()).stop()
    await (await start()).kill()
    const third = await start()
    await third.stop()
    expect(third.log.join('\n')).to.contain('hub.listening').and.not.to.contain('hub.beside_another')
  })
})
