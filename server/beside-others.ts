import { hash } from 'node:crypto'
import { join } from 'node:path'
import { StartRefusal } from './core/start-refusal.ts'
import { hubSecretFile } from './data-directory.ts'
import type { LogEvent } from './gateway/logger.ts'
import type { RunningHub } from './running-hubs.ts'

/**
 * Warns, once, of another hub on the same database without a Redis between the two: their members hear of each other late, and never see
 * who is there. That is allowed, for a short while when one takes the other's place, and seldom meant.
 */
export function createBesideWarning(logEvent: LogEvent) {
  let isTold = false

  function warn(detail: string, fix: string): void {
    if (isTold) return
    isTold = true
    logEvent('warn', 'hub.beside_another', { detail, fix })
  }

  return {
    onDirectory({ url, pid }: RunningHub): void {
      const fix = 'Set one REDIS_URL on both, or give this one a PARLEY_DATA_DIR of its own.'
      warn(`${url} (process ${pid}) works on the same data directory.`, fix)
    },
    onDatabase(other: string): void {
      const fix = 'Set one REDIS_URL on both, or name a database of its own in the MONGODB_URI of one of them.'
      warn(`${other} works on the same database.`, fix)
    },
  }
}

/**
 * The first hub on a database leaves a mark of its secret there. With another one every key, password link and session would be wrong,
 * and nobody would know why: throws StartRefusal.
 */
export async function refuseForeignSecret({
  secret,
  data_dir,
  ownMark,
}: {
  secret: string
  data_dir: string
  /** The mark in the database: this one, if there was none. */
  ownMark(mark: string): Promise<string>
}): Promise<void> {
  const mark = hash('sha256', `parley secret mark ${secret}`, 'hex').slice(0, 16)
  if ((await ownMark(mark)) === mark) return
  throw new StartRefusal(
    "The secret is not the one that this database's keys were made under: it belongs to another hub, or the secret was lost.",
    `To join that hub, copy its file \`secret\` to ${join(data_dir, hubSecretFile.name)} or give both one PARLEY_SECRET. If it was lost, restore it from a backup. Or name another database in MONGODB_URI.`,
  )
}
