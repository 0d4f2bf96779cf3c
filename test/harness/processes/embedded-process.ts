import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connectDatabase } from '../../../server/database/connect.ts'
import { OWNER_FILE, socketPathIn } from '../../../server/database/embedded/process/socket-path.ts'

/** The embedded database of a data directory, as a process among others. */
export async function databasePid(data_dir: string): Promise<number> {
  const { pid } = JSON.parse(await readFile(join(data_dir, 'database', OWNER_FILE), 'utf8'))
  return pid
}

/** kill -9. */
export async function killDatabase(data_dir: string): Promise<void> {
  process.kill(await databasePid(data_dir), 'SIGKILL')
}

const PATIENCE_MS = 60_000

/** Waits until no event waits for a reactor and no timer is left: what was owed before a kill has been paid after it. */
export async function nothingIsOwed(data_dir: string): Promise<void> {
  const uri = `mongodb://${encodeURIComponent(socketPathIn(join(data_dir, 'database')))}/`
  const { connection } = await connectDatabase(uri, { kind: 'embedded', name: 'parley' })
  try {
    for (const until = performance.now() + PATIENCE_MS; ; ) {
      const [pending, timers] = await Promise.all([
        connection.collection('events').countDocuments({ pending: { $exists: true } }),
        connection.collection('timers').countDocuments({}),
      ])
      if (pending + timers === 0) return
      if (performance.now() > until) throw new Error(`${pending} events are pending and ${timers} timers are left`)
      await delay(100)
    }
  } finally {
    await connection.close()
  }
}
