import { MongoRefusal } from '../errors.ts'
import { type Collection, type Index, tableEnd } from '../storage/catalog.ts'
import { type KeySpec, parsePath } from '../values/paths.ts'
import { boundsFor, type IndexBounds, type Interval, withoutMerging } from './bounds.ts'
import type { Clause, Filter } from './filter.ts'

/** How a filter will be answered. Without `index`, the collection itself is read in the order of `_id`. */
export type Plan = {
  index: Index | undefined
  indexName: string | undefined
  isIdScan: boolean
  intervals: Interval[]
  reverse: boolean
  isSorted: boolean
  mayRepeat: boolean
  /** What the index did not settle and the document has to answer. */
  residue: Clause[]
}

export type Hint = string | Record<string, unknown>
export type PlanRequest = { filter: Filter; sort: KeySpec; hint?: Hint | undefined }

type Candidate = Plan & { score: number }

const ID_FIELDS: KeySpec = [{ path: parsePath('_id'), descending: false }]

export function planFor(collection: Collection, { filter, sort, hint }: PlanRequest): Plan {
  const candidates: Candidate[] = [idCandidate(collection, filter, sort)]
  for (const index of collection.indexes) {
    const candidate = indexCandidate(index, filter, sort)
    if (candidate) candidates.push(candidate)
  }
  if (hint !== undefined) return hinted(collection, candidates, hint)
  return candidates.reduce((best, candidate) => (candidate.score > best.score ? candidate : best))
}

function idCandidate(collection: Collection, filter: Filter, sort: KeySpec): Candidate {
  const bounds = boundsFor({ fields: ID_FIELDS, table: collection.table }, filter.clauses)
  const order = orderOf(ID_FIELDS, sort, bounds)
  const isUsed = bounds.used.size > 0
  const usesOrder = order !== undefined && sort.length > 0
  const intervals = isUsed ? bounds.intervals : [{ start: collection.table, end: tableEnd(collection.table) }]
  return {
    index: undefined,
    indexName: isUsed || usesOrder ? '_id_' : undefined,
    isIdScan: isUsed || usesOrder,
    intervals,
    reverse: order === 'reverse',
    isSorted: order !== undefined,
    mayRepeat: false,
    residue: residueOf(filter, bounds, false),
    score: scoreOf(bounds, { isSorted: usesOrder, isFull: bounds.singles === 1, needsFetch: false }),
  }
}

function indexCandidate(index: Index, filter: Filter, sort: KeySpec): Candidate | undefined {
  if (index.partial && !index.partial.clauses.every((needed) => isImplied(needed, filter.clauses))) return undefined
  const clauses = withoutMerging(filter.clauses, (path) => index.isMultikey && (index.arrays?.has(path) ?? true))
  const bounds = boundsFor(index, clauses)
  const mayRepeat = index.isMultikey && !holdsArrays(index, bounds)
  if (index.isSparse && !holdsEverything(bounds)) return undefined
  const order = mayRepeat && sort.length > 0 ? undefined : orderOf(index.fields, sort, bounds)
  const usesOrder = order !== undefined && sort.length > 0
  if (bounds.used.size === 0 && !usesOrder && !index.partial) return undefined
  const isFull = index.isUnique && bounds.singles === index.fields.length
  return {
    index,
    indexName: index.spec.name,
    isIdScan: false,
    intervals: bounds.intervals,
    reverse: order === 'reverse',
    isSorted: order !== undefined,
    mayRepeat,
    residue: residueOf(filter, bounds, index.isMultikey),
    score: scoreOf(bounds, { isSorted: usesOrder, isFull, needsFetch: true }) + (index.partial ? 2 : 0),
  }
}

/** Every field with arrays is held to one value: then a document has one entry there, and what follows gives the order. */
function holdsArrays({ arrays, fields }: Index, { singles }: IndexBounds): boolean {
  const held = fields.slice(0, singles).map(({ path }) => path.name)
  return arrays !== undefined && [...arrays].every((path) => held.includes(path))
}

/** A sparse index leaves out documents without its fields: it may only answer what those cannot match. */
function holdsEverything(bounds: IndexBounds): boolean {
  return bounds.used.size > 0 && !bounds.mayHoldNull
}

function residueOf(filter: Filter, bounds: IndexBounds, isMultikey: boolean): Clause[] {
  return filter.clauses.filter((clause) => isMultikey || !clause.isExact || !bounds.settled.has(clause))
}

type Traits = { isSorted: boolean; isFull: boolean; needsFetch: boolean }

function scoreOf(bounds: IndexBounds, { isSorted, isFull, needsFetch }: Traits): number {
  if (isFull) return needsFetch ? 1000 : 1001
  // A sort that the index gives saves reading everything before the first answer: worth more than one more range, less than an equality.
  return bounds.equalities * 10 + (bounds.hasRange ? 5 : 0) + (isSorted ? 7 : 0) + (needsFetch ? 0 : 1)
}

/** Whether reading the index forward or in reverse gives the sort; fields held to one value do not matter. */
function orderOf(fields: KeySpec, sort: KeySpec, bounds: IndexBounds): 'forward' | 'reverse' | undefined {
  const fixed = new Set(fields.slice(0, bounds.singles).map((field) => field.path.name))
  const wanted = sort.filter((field) => !fixed.has(field.path.name))
  if (wanted.length === 0) return 'forward'
  const rest = fields.slice(bounds.singles)
  const same = wanted.every((want, nth) => matches(want, rest[nth], false))
  if (same) return 'forward'
  return wanted.every((want, nth) => matches(want, rest[nth], true)) ? 'reverse' : undefined
}

type SortField = KeySpec[number]
function matches(want: SortField, field: SortField | undefined, isReverse: boolean): boolean {
  return field !== undefined && field.path.name === want.path.name && (field.descending !== want.descending) === isReverse
}

/** Whether every document that matches the filter is in the partial index. Unsure is no. */
function isImplied(needed: Clause, clauses: Clause[]): boolean {
  return clauses.some((clause) => clause.path === needed.path && clause.path !== undefined && implies(clause, needed))
}

function implies({ bound }: Clause, { bound: needed }: Clause): boolean {
  if (!bound || !needed) return false
  if (needed.kind === 'exists') return bound.kind === 'exists' || bound.kind === 'range' || !bound.hasNull
  if (needed.kind === 'equal') {
    if (bound.kind !== 'equal') return false
    return bound.keys.every((key) => needed.keys.some((other) => other.equals(key)))
  }
  if (bound.kind === 'equal') return bound.keys.every((key) => inRange(key, needed))
  if (bound.kind !== 'range' || bound.typeClass !== needed.typeClass) return false
  const lowHolds = !needed.low || (bound.low !== undefined && inRange(bound.low.key, needed))
  const highHolds = !needed.high || (bound.high !== undefined && inRange(bound.high.key, needed))
  return lowHolds && highHolds
}

function inRange(key: Buffer, { low, high, typeClass }: Extract<NonNullable<Clause['bound']>, { kind: 'range' }>): boolean {
  if (key[0] !== typeClass) return false
  if (low && (low.inclusive ? key.compare(low.key) < 0 : key.compare(low.key) <= 0)) return false
  return !(high && (high.inclusive ? key.compare(high.key) > 0 : key.compare(high.key) >= 0))
}

function hinted(collection: Collection, candidates: Candidate[], hint: Hint): Plan {
  const isNatural = typeof hint === 'object' && '$natural' in hint
  const isId = hint === '_id_' || (typeof hint === 'object' && JSON.stringify(hint) === '{"_id":1}')
  const [byId] = candidates
  if ((isNatural || isId) && byId) return byId
  const wanted = (index: Index) => index.spec.name === hint || JSON.stringify(index.spec.key) === JSON.stringify(hint)
  if (!collection.indexes.some(wanted)) {
    throw new MongoRefusal(2, 'error processing query: planner returned error: hint provided does not correspond to an existing index')
  }
  // A hint is a wish: where the index cannot give the whole answer, the best plan does.
  return candidates.find((candidate) => candidate.index && wanted(candidate.index)) ?? bestOf(candidates)
}

function bestOf(candidates: Candidate[]): Plan {
  return candidates.reduce((best, candidate) => (candidate.score > best.score ? candidate : best))
}
