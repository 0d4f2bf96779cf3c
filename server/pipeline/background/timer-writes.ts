import type { mongo } from 'mongoose'
import { isDuplicateKey } from '../../core/duplicate-key.ts'
import type { TimerDocument } from './timers.ts'

type Update = mongo.UpdateFilter<TimerDocument>

interface Write {
  ids: readonly string[]
  /** Undefined takes the timers away. */
  update?: Update
  resolve(): void
  reject(cause: unknown): void
}

/**
 * Sets and takes away timers: those that are asked for in one turn of the event loop, or while others are being written, go in one command
 * of each kind. Two writes of one timer keep their order. Each resolves when its own is in the database, and rejects when that is not known.
 */
export function createTimerWrites(collection: mongo.Collection<TimerDocument>) {
  let waiting: Write[] = []
  let isRunning = false

  function ask(write: Pick<Write, 'ids' | 'update'>): Promise<void> {
    return new Promise((resolve, reject) => {
      waiting.push({ ...write, resolve, reject })
      if (!isRunning) void run()
    })
  }

  async function run(): Promise<void> {
    isRunning = true
    await new Promise(setImmediate)
    while (waiting.length > 0) {
      const batch = takeDistinct()
      await Promise.all([setAll(batch.filter(({ update }) => update !== undefined)), removeAll(batch.filter(({ update }) => !update))])
    }
    isRunning = false
  }

  /** From the front, up to the first that is about a timer of the batch. */
  function takeDistinct(): Write[] {
    const seen = new Set<string>()
    const end = waiting.findIndex(({ ids }) => {
      if (ids.some((id) => seen.has(id))) return true
      for (const id of ids) seen.add(id)
      return false
    })
    const batch = end === -1 ? waiting : waiting.slice(0, end)
    waiting = end === -1 ? [] : waiting.slice(end)
    return batch
  }

  async function setAll(writes: Write[]): Promise<void> {
    if (writes.length === 0) return
    const failed = await bulk(writes).catch((cause: unknown) => failuresOf(cause) ?? new Map(writes.map((_, at) => [at, cause])))
    for (const [at, write] of writes.entries()) {
      const cause = failed.get(at)
      if (cause === undefined) write.resolve()
      // Another node set it for the first time in the same moment, so now it is there.
      else if (isDuplicateKey(cause)) bulk([write]).then(() => write.resolve(), write.reject)
      else write.reject(cause)
    }
  }

  async function bulk(writes: Write[]): Promise<ReadonlyMap<number, unknown>> {
    const operations = writes.map(({ ids: [_id = ''], update = {} }) => ({ updateOne: { filter: { _id }, update, upsert: true } }))
    await collection.bulkWrite(operations, { ordered: false })
    return new Map()
  }

  async function removeAll(writes: Write[]): Promise<void> {
    if (writes.length === 0) return
    try {
      await collection.deleteMany({ _id: { $in: writes.flatMap(({ ids }) => ids) } })
      for (const { resolve } of writes) resolve()
    } catch (cause) {
      for (const { reject } of writes) reject(cause)
    }
  }

  return {
    set: (_id: string, update: Update) => ask({ ids: [_id], update }),
    remove: (ids: readonly string[]) => ask({ ids }),
  }
}

/** Which of the writes failed, when the answer says so of each. */
function failuresOf(cause: unknown): Map<number, unknown> | undefined {
  if (typeof cause !== 'object' || cause === null || !('writeErrors' in cause)) return undefined
  const errors = [cause.writeErrors].flat() as { index?: unknown }[]
  // With a fault beside those of single writes nothing is known of the others.
  if (errors.length === 0 || errors.some(({ index }) => typeof index !== 'number')) return undefined
  if ('result' in cause && hasWriteConcernError(cause.result)) return undefined
  return new Map(errors.map((error) => [error.index as number, error]))
}

function hasWriteConcernError(result: unknown): boolean {
  if (typeof result !== 'object' || result === null || !('getWriteConcernError' in result)) return false
  return typeof result.getWriteConcernError === 'function' && result.getWriteConcernError() != null
}
