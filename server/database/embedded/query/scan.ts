import type { Collection } from '../storage/catalog.ts'
import type { Entry, Storage, Stretch } from '../storage/storage.ts'
import { documentAt, type Value } from '../values/value.ts'
import { allOf } from './filter.ts'
import type { Plan } from './planner.ts'

export type Found = { id: Buffer; document: Value }

/**
 * Walks a plan's stretches and gives the matching documents. Between two batches nothing of LMDB is held open: after `pause` it looks
 * again behind the last key it gave, so a cursor left alone for minutes keeps no snapshot and sees no stale document.
 */
export type Scan = { next(): Found | undefined; pause(): void; examined(): number }

const FIRST_CHUNK = 16
const MAX_CHUNK = 512

export function createScan(storage: Storage, collection: Collection, plan: Plan): Scan {
  const { table } = collection
  const matches = plan.residue.length > 0 ? allOf(plan.residue.map((clause) => clause)) : undefined
  const seen = plan.mayRepeat ? new Set<string>() : undefined
  const intervals = plan.reverse ? [...plan.intervals].reverse() : plan.intervals
  let nth = 0
  let entries: Entry[] = []
  let at = 0
  let lastKey: Buffer | undefined
  let chunk = FIRST_CHUNK
  let isEndOfInterval = false
  let examined = 0

  function fill(): boolean {
    while (nth < intervals.length) {
      if (isEndOfInterval) {
        nth++
        lastKey = undefined
        isEndOfInterval = false
        continue
      }
      const { start, end } = intervals[nth] as { start: Buffer; end: Buffer }
      const stretch = plan.reverse ? backward(start, end) : forward(start, end)
      entries = stretch.entries
      at = 0
      isEndOfInterval = stretch.isEnd
      chunk = Math.min(chunk * 4, MAX_CHUNK)
      if (entries.length > 0) return true
    }
    return false
  }

  function forward(start: Buffer, end: Buffer): Stretch {
    if (!lastKey) return storage.range({ start, end, reverse: false, limit: chunk })
    return storage.range({ start: lastKey, end, reverse: false, limit: chunk, exclusiveStart: true })
  }

  // In reverse LMDB's `start` is the high end. It must stay out, and the low end must be in.
  function backward(start: Buffer, end: Buffer): Stretch {
    return storage.range({ start: lastKey ?? end, end: start, reverse: true, limit: chunk, exclusiveStart: true, inclusiveEnd: true })
  }

  function read({ key, value }: Entry): Found | undefined {
    if (!plan.index) return { id: key.subarray(4), document: documentAt(value) }
    const bytes = storage.get(Buffer.concat([table, value]))
    return bytes && { id: value, document: documentAt(bytes) }
  }

  return {
    next() {
      for (;;) {
        if (at >= entries.length && !fill()) return undefined
        const entry = entries[at++] as Entry
        lastKey = entry.key
        if (seen && plan.index) {
          const id = entry.value.toString('latin1')
          if (seen.has(id)) continue
          seen.add(id)
        }
        examined++
        const found = read(entry)
        if (found && (!matches || matches(found.document))) return found
      }
    },
    pause() {
      if (at < entries.length) isEndOfInterval = false
      entries = []
      at = 0
    },
    examined: () => examined,
  }
}
