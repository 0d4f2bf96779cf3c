import { MongoRefusal } from '../errors.ts'
import type { Collection } from '../storage/catalog.ts'
import type { Storage } from '../storage/storage.ts'
import { documentSortKey, type KeySpec } from '../values/paths.ts'
import type { Value } from '../values/value.ts'
import type { Filter } from './filter.ts'
import { type Hint, type Plan, planFor } from './planner.ts'
import type { Project } from './projection.ts'
import { createScan, type Found } from './scan.ts'

export type QueryOptions = {
  filter: Filter
  sort: KeySpec
  skip?: number | undefined
  limit?: number | undefined
  hint?: Hint | undefined
  project?: Project | undefined
}

/** Documents one after another. `pause` lets go of what must not be held between two commands. */
export type Source = { next(): Value | undefined; pause(): void; isSpent(): boolean }

// As MongoDB: a sort without an index may hold this much and is refused past it.
const MAX_SORT_BYTES = 100 * 1024 * 1024

export function openQuery(storage: Storage, collection: Collection, options: QueryOptions): Source {
  const found = findAll(storage, collection, options)
  const { project } = options
  return {
    next() {
      const next = found.next()
      if (!next) return undefined
      return project ? project(next.document) : next.document
    },
    pause: found.pause,
    isSpent: found.isSpent,
  }
}

export type FoundSource = { next(): Found | undefined; pause(): void; isSpent(): boolean; plan: Plan; examined(): number }

export function findAll(storage: Storage, collection: Collection, options: QueryOptions): FoundSource {
  const { filter, sort, hint } = options
  const plan = planFor(collection, { filter, sort, hint })
  const scan = createScan(storage, collection, plan)
  const skip = options.skip ?? 0
  const limit = options.limit || Number.POSITIVE_INFINITY
  const source = plan.isSorted ? scan : sortedScan(scan, sort, skip + limit)
  let passed = 0
  let given = 0
  return {
    plan,
    examined: scan.examined,
    next() {
      if (given >= limit) return undefined
      for (; passed < skip; passed++) if (!source.next()) return undefined
      const next = source.next()
      if (next) given++
      return next
    },
    pause: source.pause,
    isSpent: () => given >= limit,
  }
}

/** How many documents match. Where an index says all, its entries are counted and no document is read. */
export function countAll(storage: Storage, collection: Collection, options: QueryOptions): number {
  const plan = planFor(collection, { filter: options.filter, sort: [], hint: options.hint })
  if (plan.residue.length === 0 && !plan.mayRepeat) {
    const all = plan.intervals.reduce((sum, interval) => sum + storage.count(interval), 0)
    return Math.min(Math.max(0, all - (options.skip ?? 0)), options.limit || Number.POSITIVE_INFINITY)
  }
  const source = findAll(storage, collection, options)
  let n = 0
  while (source.next()) n++
  return n
}

type Sortable = { found: Found; key: Buffer; place: number }

function sortedScan(scan: { next(): Found | undefined; pause(): void }, sort: KeySpec, wanted: number) {
  let sorted: Sortable[] | undefined
  let at = 0
  function read(): Sortable[] {
    let all: Sortable[] = []
    let bytes = 0
    for (let found = scan.next(); found; found = scan.next()) {
      all.push({ found, key: documentSortKey(found.document, sort), place: all.length })
      bytes += found.document.end - found.document.start
      // With a small limit only the first are worth keeping: sort and cut whenever twice as many have come together.
      if (all.length >= 1000 && all.length >= wanted * 2) {
        all = all.sort(byKey).slice(0, wanted)
        bytes = all.reduce((sum, { found: kept }) => sum + kept.document.end - kept.document.start, 0)
      }
      if (bytes > MAX_SORT_BYTES)
        throw new MongoRefusal(292, `Sort exceeded memory limit of ${MAX_SORT_BYTES} bytes: add an index or a limit`)
    }
    return all.sort(byKey)
  }
  return {
    next() {
      sorted ??= read()
      return sorted[at++]?.found
    },
    pause: scan.pause,
  }
}

function byKey(one: Sortable, other: Sortable): number {
  return one.key.compare(other.key) || one.place - other.place
}
