import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import type { EmbeddedRefusal } from '../../server/database/embedded/errors.ts'
import { type Embedded, launchEmbedded } from '../../server/database/embedded/process/launch.ts'
import { superviseEmbedded } from '../../server/database/embedded/process/supervise.ts'
import { temporaryDirectory } from './test-server.ts'

const hubScript = join(import.meta.dirname, 'hub-process.ts')

describe('embedded database process', () => {
  let directory: string
  const launched: Embedded[] = []
  const launch = async (options: Partial<Parameters<typeof launchEmbedded>[0]> = {}) => {
    const embedded = await launchEmbedded({ directory, ...options })
    launched.push(embedded)
    return embedded
  }
  const refused = async (options: Partial<Parameters<typeof launchEmbedded>[0]> = {}): Promise<EmbeddedRefusal> => {
    return launch(options).then(
      () => expect.fail('it started'),
      (error) => error,
    )
  }

  beforeEach(() => {
    directory = temporaryDirectory()
  })
  afterEach(async () => {
    await Promise.all(launched.splice(0).map((embedded) => embedded.stop()))
    rmSync(directory, { recursive: true, force: true })
  })

  it('[DB-30] what was written is there after a stop and a start, and only the owner may look into the directory', async () => {
    const first = await launch()
    await write(first.uri, { _id: 1 as never, kept: true })
    await first.stop()
    const second = await launch()
    expect(await read(second.uri)).to.deep.equal([{ _id: 1, kept: true }])
    expect(statSync(directory).mode & 0o777).to.equal(0o700)
  })

  it('[DB-31] a memory database forgets everything at its stop', async () => {
    const first = await launch({ mode: 'memory' })
    await write(first.uri, { _id: 1 as never })
    await first.stop()
    expect(existsSync(join(directory, 'store.mdb'))).to.equal(false)
    const second = await launch({ mode: 'memory' })
    expect(await read(second.uri)).to.deep.equal([])
  })

  it('[DB-32] launchers that race for one directory share one process', async () => {
    const all = await Promise.all([launch(), launch(), launch(), launch()])
    expect(new Set(all.map(({ pid }) => pid)).size).to.equal(1)
    expect(all.filter(({ adopted }) => !adopted)).to.have.length(1)
  })

  it('[DB-33] a stop leaves the process to another hub that still uses it', async () => {
    const [one, other] = [await launch(), await launch()]
    await one.stop()
    await write(other.uri, { _id: 1 as never })
    expect(isAlive(other.pid)).to.equal(true)
    await other.stop()
    expect(isAlive(other.pid)).to.equal(false)
  })

  it('[DB-34] the process survives a kill -9 of its hub, with the data, and the next hub adopts it', async () => {
    const hub = spawn(process.execPath, [hubScript, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
    const { pid } = JSON.parse(await lineOf(hub)) as { pid: number }
    hub.kill('SIGKILL')
    await once(hub, 'close')
    const next = await launch()
    expect({ adopted: next.adopted, pid: next.pid }).to.deep.equal({ adopted: true, pid })
    expect(await read(next.uri)).to.deep.equal([{ _id: 'written by the hub' }])
  })

  it('[DB-35] a process that no client uses any more ends by itself', async () => {
    const hub = spawn(process.execPath, [hubScript, directory, '200'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const { pid } = JSON.parse(await lineOf(hub)) as { pid: number }
    hub.kill('SIGKILL')
    await once(hub, 'close')
    await gone(pid)
    const next = await launch()
    expect(next.adopted).to.equal(false)
  })

  it('[DB-36] a killed process is started again at the same address and the driver goes on by itself', async () => {
    const { promise: restarted, resolve } = Promise.withResolvers<{ pid: number }>()
    const supervised = await superviseEmbedded({ directory, onRestart: resolve })
    const client = await MongoClient.connect(supervised.uri)
    const rows = client.db('t').collection('rows')
    await rows.insertOne({ _id: 1 as never })
    const killed = supervised.pid()
    process.kill(killed, 'SIGKILL')
    const { pid } = await restarted
    expect(pid).not.to.equal(killed)
    await rows.insertOne({ _id: 2 as never })
    expect(await rows.find({}).toArray()).to.deep.equal([{ _id: 1 }, { _id: 2 }])
    await client.close()
    await supervised.stop()
    expect(isAlive(pid)).to.equal(false)
  })

  it('[DB-37] a damaged directory is refused with a fix, and left as it is', async () => {
    const first = await launch()
    await write(first.uri, { _id: 1 as never, text: 'x'.repeat(100_000) })
    await first.stop()
    const store = join(directory, 'store.mdb')
    const format = join(directory, 'format.json')
    const [good, goodFormat] = [readFileSync(store), readFileSync(format)]
    const restore = () => {
      writeFileSync(store, good)
      writeFileSync(format, goodFormat)
    }
    const damages: Record<string, [string, () => void]> = {
      garbage: ['DATA_CORRUPT', () => writeFileSync(store, Buffer.alloc(good.length, 0x5a))],
      'cut off in a page': ['DATA_CORRUPT', () => truncateSync(store, good.length - 100)],
      'cut off in the middle': ['DATA_CORRUPT', () => truncateSync(store, 3 * 8192)],
      'cut off in the head': ['DATA_CORRUPT', () => truncateSync(store, 5000)],
      'garbage behind the head': [
        'DATA_CORRUPT',
        () => writeFileSync(store, Buffer.concat([good.subarray(0, 2 * 8192), Buffer.alloc(good.length - 2 * 8192, 0xa5)])),
      ],
      'a damaged entry of the catalog': ['DATA_CORRUPT', () => writeFileSync(store, withDamagedCatalog(good))],
      gone: ['DATA_MISSING', () => rmSync(store)],
      empty: ['DATA_MISSING', () => truncateSync(store, 0)],
      'another version': ['FORMAT_UNKNOWN', () => writeFileSync(format, JSON.stringify({ format: 'parley-embedded', version: 99 }))],
      'format unreadable': ['DATA_CORRUPT', () => writeFileSync(format, 'garbage')],
      'format gone': ['DATA_CORRUPT', () => rmSync(format)],
    }
    for (const [name, [code, damage]] of Object.entries(damages)) {
      damage()
      const before = existsSync(store) ? readFileSync(store) : undefined
      const error = await refused()
      expect({ name, code: error.code, hasFix: error.fix?.length > 20 }).to.deep.equal({ name, code, hasFix: true })
      expect(existsSync(store) ? readFileSync(store).equals(before ?? Buffer.alloc(0)) : before === undefined).to.equal(true)
      restore()
    }
    const again = await launch()
    expect(await read(again.uri)).to.have.length(1)
  })

  it('[DB-38] a socket path of 108 bytes or more is refused, counted in bytes', async () => {
    const error = await refused({ directory: join(directory, 'ü'.repeat(40)) })
    expect([error.code, error.fix.length > 20]).to.deep.equal(['SOCKET_PATH_TOO_LONG', true])
  })

  it('[DB-39] a directory that cannot be made or written is refused', async () => {
    const file = join(directory, 'file')
    writeFileSync(file, '')
    const error = await refused({ directory: join(file, 'inside') })
    expect([error.code, error.fix.length > 20]).to.deep.equal(['DIRECTORY_NOT_WRITABLE', true])
  })

  it('[DB-40] a directory whose owner does not answer is refused by that owner, and is not taken', async () => {
    const first = await launch()
    process.kill(first.pid, 'SIGSTOP')
    try {
      const error = await refused({ timeoutMs: 700 })
      expect([error.code, error.message.includes(String(first.pid))]).to.deep.equal(['DIRECTORY_OWNER_SILENT', true])
    } finally {
      process.kill(first.pid, 'SIGCONT')
    }
    await write(first.uri, { _id: 1 as never })
  })
})

async function write(uri: string, document: { _id: never; [field: string]: unknown }) {
  const client = await MongoClient.connect(uri)
  await client.db('t').collection('rows').insertOne(document)
  await client.close()
}

async function read(uri: string): Promise<unknown[]> {
  const client = await MongoClient.connect(uri)
  const rows = await client
    .db('t')
    .collection('rows')
    .find({}, { projection: { text: 0 } })
    .toArray()
  await client.close()
  return rows
}

async function lineOf(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk)
    if (text.includes('\n')) return text.slice(0, text.indexOf('\n'))
  }
  throw new Error('the child said nothing')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** A process that is no child of ours tells nobody when it ends: there is only asking. */
async function gone(pid: number) {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Every entry of the catalog is a BSON document whose first field is `database`: each gets the length of another. */
function withDamagedCatalog(good: Buffer): Buffer {
  const damaged = Buffer.from(good)
  const first = Buffer.from('\u0002database\0')
  for (let at = damaged.indexOf(first); at !== -1; at = damaged.indexOf(first, at + 1)) damaged.writeInt32LE(7, at - 4)
  return damaged
}
