/**
 * After a restore by other means than scripts/backup.ts (a copied folder, `mongorestore`, a snapshot): gives the logs of the database a
 * new epoch, so that every client reads its rooms anew instead of trusting places of a log that is gone. All hubs are stopped meanwhile.
 *
 *   scripts/node scripts/new-epoch.ts                                       # the embedded database of PARLEY_DATA_DIR
 *   MONGODB_URI=mongodb://… scripts/node scripts/new-epoch.ts               # the one of MONGODB_URI
 */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { markCopied, renewEpoch } from '../server/database/copy-mark.ts'
import { STORE_FILE } from '../server/database/embedded/storage/data-check.ts'
import { refusedUri } from '../server/database/refused-uri.ts'
import { readConfig } from '../server/settings/config.ts'
import { runningHubs } from '../server/settings/running-hubs.ts'

async function renewIn(uri: string): Promise<string> {
  const client = await MongoClient.connect(uri, { serverSelectionTimeoutMS: 5_000 }).catch((cause: unknown) => {
    const refused = refusedUri(uri, cause)
    throw new Error(`${refused.message} ${refused.fix}`, { cause })
  })
  try {
    const meta = client.db().collection<{ _id: string; value: string }>('meta')
    if ((await meta.findOne({ _id: 'epoch' })) === null)
      throw new Error(`no hub has worked on the database ${client.db().databaseName} yet`)
    await renewEpoch(meta, randomUUID())
    return `The logs of the database ${client.db().databaseName} have a new epoch.`
  } finally {
    await client.close()
  }
}

async function markDirectory(data_dir: string): Promise<string> {
  const [running] = await runningHubs(data_dir)
  if (running !== undefined) throw new Error(`a hub works on ${data_dir} (process ${running.pid}); stop it first`)
  const directory = join(data_dir, 'database')
  if (!existsSync(join(directory, STORE_FILE))) throw new Error(`there is no embedded database in ${data_dir}`)
  await markCopied(directory)
  return `The logs in ${data_dir} get a new epoch when a hub next starts on it.`
}

try {
  const { data_dir, mongodb_uri } = readConfig()
  console.log(mongodb_uri === undefined ? await markDirectory(data_dir) : await renewIn(mongodb_uri))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
