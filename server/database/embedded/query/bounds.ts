import type { Index } from '../storage/catalog.ts'
import { NUMBER_CLASS } from '../values/sort-key.ts'
import type { Bound, Clause } from './filter.ts'

/** A stretch of an index: `start` is in, `end` is out. */
export type Interval = { start: Buffer; end: Buffer }
export type IndexBounds = {
  intervals: Interval[]
  used: Set<Clause>
  /** Those of them that the stretches answer to the byte. In descending parts `a` and `a\\0` cannot be told apart by their ends. */
  settled: Set<Clause>
  equalities: number
  singles: number
  hasRange: boolean
  mayHoldNull: boolean
}

const PAST = Buffer.from([0xff])
// More combinations of `$in` lists than this cost more than reading the rest of the prefix.
const MAX_INTERVALS = 2000

type Prefix = { bytes: Buffer }[]

/** Turns the clauses of a filter into stretches of this index: equal fields first, then at most one range. */
export function boundsFor(index: Pick<Index, 'fields' | 'table'>, clauses: Clause[]): IndexBounds {
  let prefixes: Prefix = [{ bytes: index.table }]
  const [used, settled] = [new Set<Clause>(), new Set<Clause>()]
  const bounds = { used, settled, equalities: 0, singles: 0, hasRange: false, mayHoldNull: false }
  for (const field of index.fields) {
    const here = clauses.filter((clause) => clause.path === field.path.name && clause.bound)
    const equal = smallestEqual(here)
    if (equal?.bound?.kind === 'equal' && equal.bound.keys.length * prefixes.length <= MAX_INTERVALS) {
      const keys = distinct(equal.bound.keys, field.descending)
      prefixes = prefixes.flatMap(({ bytes }) => keys.map((key) => ({ bytes: Buffer.concat([bytes, key]) })))
      used.add(equal)
      if (!field.descending) settled.add(equal)
      bounds.equalities++
      if (equal.bound.hasNull) bounds.mayHoldNull = true
      if (keys.length === 1 && bounds.singles === bounds.equalities - 1) bounds.singles++
      continue
    }
    const range = mergedRange(here)
    if (!range) break
    for (const clause of range.used) {
      used.add(clause)
      if (!field.descending) settled.add(clause)
    }
    const edges = field.descending ? descendingEdges(range.bound) : ascendingEdges(range.bound)
    const intervals = prefixes.map(({ bytes }) => ({
      start: Buffer.concat([bytes, edges.start]),
      end: Buffer.concat([bytes, edges.end]),
    }))
    return { ...bounds, hasRange: true, intervals: intervals.filter(({ start, end }) => start.compare(end) < 0) }
  }
  return { ...bounds, intervals: prefixes.map(({ bytes }) => ({ start: bytes, end: Buffer.concat([bytes, PAST]) })) }
}

function smallestEqual(clauses: Clause[]): Clause | undefined {
  const equal = clauses.filter((clause) => clause.bound?.kind === 'equal')
  return equal.sort((one, other) => sizeOf(one) - sizeOf(other))[0]
}

function sizeOf({ bound }: Clause): number {
  return bound?.kind === 'equal' ? bound.keys.length : 0
}

function distinct(keys: Buffer[], descending: boolean): Buffer[] {
  const unique = new Map(keys.map((key) => [key.toString('latin1'), descending ? inverted(key) : key]))
  return [...unique.values()].sort((one, other) => one.compare(other))
}

type Range = Extract<Bound, { kind: 'range' }>

/** `{ $gt, $lte }` of one field in one range. On a multikey index each would have to hold for its own element: see the planner. */
function mergedRange(clauses: Clause[]): { bound: Range; used: Clause[] } | undefined {
  const merged: { bound: Range; used: Clause[] }[] = []
  for (const clause of clauses) {
    if (clause.bound?.kind !== 'range') continue
    const last = merged[0]
    if (!last) merged.push({ bound: { ...clause.bound }, used: [clause] })
    else if (last.bound.typeClass === clause.bound.typeClass && fits(last.bound, clause.bound)) {
      Object.assign(last.bound, clause.bound)
      last.used.push(clause)
    }
  }
  return merged[0]
}

function fits(range: Range, other: Range): boolean {
  return !(range.low && other.low) && !(range.high && other.high)
}

/** The range of the first clause alone where a document may have several entries. */
export function withoutMerging(clauses: Clause[], hasArrays: (path: string) => boolean): Clause[] {
  const seen = new Set<string>()
  return clauses.filter((clause) => {
    if (clause.bound?.kind !== 'range' || clause.path === undefined || !hasArrays(clause.path)) return true
    if (seen.has(clause.path)) return false
    seen.add(clause.path)
    return true
  })
}

function ascendingEdges({ low, high, typeClass }: Range): Interval {
  const start = low ? (low.inclusive ? low.key : past(low.key)) : lowestOf(typeClass)
  const end = high ? (high.inclusive ? past(high.key) : high.key) : Buffer.from([typeClass + 1])
  return { start, end }
}

function descendingEdges({ low, high, typeClass }: Range): Interval {
  const start = high ? (high.inclusive ? inverted(high.key) : past(inverted(high.key))) : Buffer.from([~typeClass & 0xff])
  const end = low ? (low.inclusive ? past(inverted(low.key)) : behindLonger(inverted(low.key))) : descendingEnd(typeClass)
  return { start, end }
}

/** NaN is the lowest number and no range holds it. */
function lowestOf(typeClass: number): Buffer {
  return typeClass === NUMBER_CLASS ? Buffer.from([typeClass, 0, 0, 0, 0, 0, 0, 0, 1]) : Buffer.from([typeClass])
}

/** Behind what is longer than the key by an escaped 0x00, which stands before it in a descending part. */
function behindLonger(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([1])])
}

/** Behind all values of the type: NaN stands there last, and no range holds it. */
function descendingEnd(typeClass: number): Buffer {
  return typeClass === NUMBER_CLASS ? inverted(lowestOf(typeClass)) : Buffer.from([(~typeClass & 0xff) + 1])
}

function past(key: Buffer): Buffer {
  return Buffer.concat([key, PAST])
}

export function inverted(key: Buffer): Buffer {
  const bytes = Buffer.from(key)
  for (let at = 0; at < bytes.length; at++) bytes[at] = ~(bytes[at] as number)
  return bytes
}
