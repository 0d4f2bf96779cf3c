import { type Database, open } from 'lmdb'
import { MongoRefusal } from '../errors.ts'
import { isForWantOfSpace } from './full-disk.ts'

export type Entry = { key: Buffer; value: Buffer }
export type Stretch = { entries: Entry[]; isEnd: boolean }
export type KeyRange = { start: Buffer; end: Buffer; reverse: boolean; limit: number; exclusiveStart?: boolean; inclusiveEnd?: boolean }

/**
 * One ordered map of bytes, in one LMDB file. `write` runs every job of one turn in one transaction and resolves when that transaction
 * is in the file and synced: LMDB's plain mode, data synced before the page that makes it visible. In memory mode nothing is synced.
 */
export type Storage = {
  get(key: Buffer): Buffer | undefined
  has(key: Buffer): boolean
  /** Entries up to the limit, or fewer if their bytes are many: `isEnd` tells whether there are more. */
  range(range: KeyRange): Stretch
  count(range: { start: Buffer; end: Buffer }): number
  put(key: Buffer, value: Buffer): void
  remove(key: Buffer): void
  write<Result>(job: () => Result): Promise<Result>
  /** Called when a transaction was undone, before its jobs run again one by one. */
  onAbort(listener: () => void): void
  close(): Promise<void>
}

export type StorageOptions = { path: string; mode: 'durable' | 'memory'; onFatal: (error: unknown) => void }

// Address space, not disk: the file grows as data comes. Far above what one machine's hub will hold.
const MAP_BYTES = 256 * 1024 ** 3
// With 8 KiB pages LMDB takes keys of up to 4026 bytes.
const PAGE_BYTES = 8192
export const MAX_KEY_BYTES = 4000

type Job = { run: () => unknown; resolve: (result: never) => void; reject: (error: unknown) => void }
type Outcome = { job: Job; result?: unknown; error?: unknown }

export function openStorage({ path, mode, onFatal }: StorageOptions): Storage {
  const options = {
    path,
    noSubdir: true,
    keyEncoding: 'binary' as const,
    encoding: 'binary' as const,
    mapSize: MAP_BYTES,
    pageSize: PAGE_BYTES,
    // A commit returns after its fsync. With overlappingSync it would return before.
    overlappingSync: false,
    noSync: mode === 'memory',
    eventTurnBatching: false,
  }
  const db: Database<Buffer, Buffer> = open(options)
  const abortListeners: (() => void)[] = []
  let queue: Job[] = []

  function flush() {
    const jobs = queue
    queue = []
    commit(jobs)
  }

  function commit(jobs: Job[]) {
    const outcomes: Outcome[] = []
    let isCommitting = false
    try {
      db.transactionSync(() => {
        for (const job of jobs) outcomes.push({ job, result: job.run() })
        isCommitting = true
      })
    } catch (error) {
      for (const listener of abortListeners) listener()
      if (isCommitting) return failCommit(jobs, error)
      return retryAlone(jobs, error)
    }
    for (const { job, result } of outcomes) job.resolve(result as never)
  }

  /** A job that threw undid its neighbours' work too: each runs again alone, so only the faulty one is refused. */
  function retryAlone(jobs: Job[], error: unknown) {
    const [only] = jobs
    if (only && jobs.length === 1) return only.reject(error)
    for (const job of jobs) commit([job])
  }

  /**
   * A full disk undid the transaction before anything pointed to it: refused, and the store goes on. After any other failure, of an
   * fsync above all, nobody knows what the disk holds: refused too, and a fresh process reads what is really there.
   */
  function failCommit(jobs: Job[], error: unknown) {
    const isFull = isForWantOfSpace(error, path)
    const refusal = isFull ? new MongoRefusal(14031, 'the disk is full: nothing of this command was written') : error
    for (const job of jobs) job.reject(refusal)
    if (!isFull) onFatal(error)
  }

  return {
    get: (key) => (key.length > MAX_KEY_BYTES ? undefined : db.getBinary(key)),
    has: (key) => key.length <= MAX_KEY_BYTES && db.doesExist(key),
    range: (range) => readStretch(db, fitting(range)),
    count: (range) => db.getKeysCount(fitting({ ...range, reverse: false })),
    put: (key, value) => void db.put(key, value),
    remove: (key) => void db.remove(key),
    write: (run) =>
      new Promise((resolve, reject) => {
        if (queue.length === 0) setImmediate(flush)
        queue.push({ run, resolve, reject })
      }),
    onAbort: (listener) => void abortListeners.push(listener),
    close: () => db.close(),
  }
}

/** No key in the store is longer than the bound; so what lies behind a longer one lies behind its beginning, and that is no key itself. */
function fitting<Range extends Omit<KeyRange, 'limit'>>(range: Range): Range {
  const { start, end, reverse } = range
  return {
    ...range,
    ...(start.length > MAX_KEY_BYTES ? { start: start.subarray(0, MAX_KEY_BYTES), exclusiveStart: !reverse } : {}),
    ...(end.length > MAX_KEY_BYTES ? { end: end.subarray(0, MAX_KEY_BYTES), inclusiveEnd: !reverse } : {}),
  }
}

// A stretch of small entries ends by its count, one of 16 MB documents by this.
const MAX_STRETCH_BYTES = 4 * 1024 * 1024

function readStretch(db: Database<Buffer, Buffer>, range: KeyRange): Stretch {
  const entries: Entry[] = []
  let bytes = 0
  for (const entry of db.getRange(range)) {
    entries.push(entry as Entry)
    bytes += entry.value.length
    if (bytes > MAX_STRETCH_BYTES) return { entries, isEnd: false }
  }
  return { entries, isEnd: entries.length < range.limit }
}
