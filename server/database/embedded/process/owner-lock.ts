import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const LOCK_FILE = 'owner.lock'

/**
 * Makes this process the directory's only owner, or answers undefined if another is. The lock is the kernel's (SQLite's exclusive
 * transaction holds it): it ends with the process however it ends, so there is no stale lock to judge and no race between two starters.
 */
export function takeOwnership(directory: string): { release(): void } | undefined {
  const lock = new DatabaseSync(join(directory, LOCK_FILE))
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    if (/locked|busy/i.test(String((error as Error).message))) return undefined
    throw error
  }
  return { release: () => lock.close() }
}
