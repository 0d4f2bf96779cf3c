/**
 * Copies a data directory while its hub runs, or while none does: the database as it was at one moment, with the secret and the
 * operator's token that belong to it. The copy is a data directory: a hub started on it goes on from there, with a new epoch, so that
 * no client takes it for the log that it has read.
 *
 *   scripts/node scripts/backup.ts <folder that is not there yet> [--data-dir ~/.parley]
 */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { open } from 'lmdb'
import { markCopied } from '../server/database/copy-mark.ts'
import { STORE_FILE } from '../server/database/embedded/storage/data-check.ts'
import { readConfig } from '../server/settings/config.ts'
import { readOptions } from './lib/read-options.ts'

const USAGE = 'usage: scripts/node scripts/backup.ts FOLDER [--data-dir FOLDER]'

// Without them a copy cannot be opened (the format), or nobody can come in (the others).
const BESIDE = ['secret', 'operator.token', 'docs-desk.json', 'database/format.json']

async function backUp({ from, to }: { from: string; to: string }): Promise<void> {
  const store = join('database', STORE_FILE)
  if (!existsSync(join(from, store)))
    throw new Error(`there is no embedded database in ${from}; one that MONGODB_URI names has tools of its own`)
  if (existsSync(to)) throw new Error(`${to} is there already; name a folder that is not`)
  mkdirSync(to, { mode: 0o700 })
  mkdirSync(join(to, 'database'), { mode: 0o700 })
  const database = open({ path: join(from, store), noSubdir: true, readOnly: true })
  // LMDB copies what one read transaction sees, so writers neither wait nor are half in it.
  await database.backup(join(to, store), true)
  await database.close()
  for (const file of BESIDE) if (existsSync(join(from, file))) copyFileSync(join(from, file), join(to, file))
  await markCopied(join(to, 'database'))
}

try {
  const options = { 'data-dir': { type: 'string' } } as const
  const { positionals, values } = readOptions(options, USAGE)
  const [to, ...more] = positionals
  if (to === undefined || more.length > 0) throw new Error(USAGE)
  const given = values['data-dir']
  const { data_dir, mongodb_uri } = readConfig(given === undefined ? process.env : { ...process.env, PARLEY_DATA_DIR: given })
  if (mongodb_uri !== undefined)
    throw new Error('MONGODB_URI is set, so what the hub keeps lies there: back it up by the tools of that database (mongodump)')
  await backUp({ from: data_dir, to: resolve(to) })
  console.log(
    `${data_dir} is copied to ${resolve(to)}. To look into it: PARLEY_DATA_DIR=${resolve(to)} PARLEY_PORT=0 scripts/start --no-example`,
  )
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
