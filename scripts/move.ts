/**
 * Copies the embedded database of a data directory into the empty one that MONGODB_URI names, indexes and all, and counts both after.
 * The hub is stopped meanwhile. Afterwards it goes on there: the same data directory (the secret lies in it), and MONGODB_URI.
 *
 *   MONGODB_URI=mongodb://user:password@host:27017/parley scripts/node scripts/move.ts
 */
import { join } from 'node:path'
import { type Db, MongoClient } from 'mongodb'
import { markCopied, readMark, renewEpoch } from '../server/database/copy-mark.ts'
import { launchEmbedded } from '../server/database/embedded/process/launch.ts'
import { refusedUri } from '../server/database/refused-uri.ts'
import { readConfig } from '../server/settings/config.ts'
import { runningHubs } from '../server/settings/running-hubs.ts'

const BATCH = 500
// As they are stored: a whole number stays the kind of number that it was.
const AS_STORED = { promoteValues: false, promoteLongs: false, promoteBuffers: false }

async function move({ data_dir, uri }: { data_dir: string; uri: string }): Promise<string[]> {
  const [running] = await runningHubs(data_dir)
  if (running !== undefined) throw new Error(`a hub works on ${data_dir} (process ${running.pid}); stop it first`)
  const target = await MongoClient.connect(uri, { serverSelectionTimeoutMS: 5_000 }).catch((cause: unknown) => {
    const refused = refusedUri(uri, cause)
    throw new Error(`${refused.message} ${refused.fix}`, { cause })
  })
  const directory = join(data_dir, 'database')
  const embedded = await launchEmbedded({ directory })
  const source = await MongoClient.connect(embedded.uri)
  try {
    const [from, to] = [source.db('parley'), target.db()]
    const there = await to.listCollections({}, { nameOnly: true }).toArray()
    if (there.length > 0)
      throw new Error(`the database ${to.databaseName} of MONGODB_URI holds ${there.length} collections; name an empty one`)
    const names = (await from.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name).toSorted()
    const lines = []
    for (const name of names) lines.push(`${name}: ${await copy({ from, to, name })}`)
    const copy_id = await readMark(directory)
    if (copy_id !== undefined) await renewEpoch(to.collection('meta'), copy_id)
    // What is left behind falls back from now on: a hub that is started on it once more must not be taken for the one that moved.
    await markCopied(directory)
    return lines
  } finally {
    await source.close()
    await target.close()
    await embedded.stop()
  }
}

/** The documents of one collection, and how many there are now on both sides. */
async function copy({ from, to, name }: { from: Db; to: Db; name: string }): Promise<number> {
  const target = await to.createCollection(name)
  const indexes = (await from.collection(name).indexes()).filter((index) => index.name !== '_id_')
  if (indexes.length > 0) await target.createIndexes(indexes.map(({ v: _, ...index }) => index))
  const cursor = from.collection(name).find({}, AS_STORED).batchSize(BATCH)
  while (await cursor.hasNext()) {
    const documents = [await cursor.next(), ...cursor.readBufferedDocuments(BATCH - 1)].filter((document) => document !== null)
    await target.insertMany(documents)
  }
  const [read, written] = await Promise.all([from.collection(name).countDocuments(), target.countDocuments()])
  if (read !== written) throw new Error(`${name} has ${read} documents here and ${written} there; empty the target and try again`)
  return written
}

try {
  const { data_dir, mongodb_uri } = readConfig()
  if (mongodb_uri === undefined) throw new Error('MONGODB_URI is not set: set it to the empty database that everything goes to')
  for (const line of await move({ data_dir, uri: mongodb_uri })) console.log(line)
  console.log(`Moved. Start the hub with this MONGODB_URI and the same PARLEY_DATA_DIR (${data_dir}): its secret lies there.`)
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
