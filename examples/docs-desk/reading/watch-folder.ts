import { type FSWatcher, watch } from 'node:fs'
import { join } from 'node:path'
import { logLine } from '../log-line.ts'
import type { Folder } from './folder.ts'

/** An editor saves in several steps. */
const QUIET_MS = 200

/**
 * Calls back a moment after something changed. A convenience: it takes large changes in before somebody asks. Watching may fail
 * (a network drive, too many folders), and nothing depends on it.
 */
export function watchFolder({ root, only }: Folder, onChange: () => void): () => void {
  const watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  const changed = () => {
    clearTimeout(timer)
    timer = setTimeout(onChange, QUIET_MS).unref()
  }
  const giveUp = (cause: unknown) => logLine('info', 'Changes are noticed at the next question only', { detail: String(cause) })
  for (const name of only ?? ['.']) {
    try {
      watchers.push(watch(join(root, name), { recursive: true, persistent: false }, changed).on('error', giveUp))
    } catch (cause) {
      giveUp(cause)
    }
  }
  return () => {
    clearTimeout(timer)
    for (const watcher of watchers) watcher.close()
  }
}
