import type { mongo } from 'mongoose'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../shared/rules/canonical-json.ts'
import { type Cursor, readCursor, writeCursor } from './cursor.ts'
import { type OneOf, type Reads, readOneOf } from './one-of-fields.ts'

/** A list's query, as its schema (`pageQuery`) has read it. */
export interface PageQuery {
  limit: number
  offset: number
  cursor?: string
  count?: 'exact'
  sort_by: string
  sort_order: 'asc' | 'desc'
}

export interface ListPage<D> {
  rows: D[]
  /** What the answer says beside its items. */
  page: { total: number; total_capped?: true; limit: number; offset: number; next_cursor?: string }
}

/** Counting on past it would cost more than it tells. */
const EXACT_TOTAL = 10_000

/**
 * One page of a collection: those that fit `filter`, and `oneOf` where it is given, in an order that is total because `_id` decides between equals. `sorts` says
 * which stored field each `sort_by` means: one that every row has, and that has an index together with the filter.
 */
export async function listPage<D extends { _id: string }>(
  collection: mongo.Collection<D>,
  {
    filter,
    oneOf,
    query,
    sorts,
    only,
  }: {
    filter: mongo.Filter<D>
    oneOf?: OneOf<D> | undefined
    query: PageQuery
    sorts: Readonly<Record<string, keyof D & string>>
    /** The fields that are read, where rows are large: those that are sorted by among them. */
    only?: readonly (keyof D & string)[]
  },
): Promise<ListPage<D>> {
  const field = sorts[query.sort_by] ?? '_id'
  const direction = query.sort_order === 'asc' ? 1 : -1
  const about = `${collection.collectionName} ${filtersOf(query)}`
  const from = query.cursor === undefined ? undefined : cursorOf(query, about)
  const sort: Record<string, 1 | -1> = field === '_id' ? { _id: direction } : { [field]: direction, _id: direction }
  const reads: Reads<D> = {
    find: (theirs, { skip, limit }) => {
      const all = { ...filter, ...theirs }
      const there = from === undefined ? all : ({ $and: [behind(field, direction, from), all] } as mongo.Filter<D>)
      const projection = only === undefined ? {} : { projection: Object.fromEntries(only.map((name) => [name, 1])) }
      return collection.find(there, projection).sort(sort).skip(skip).limit(limit).toArray() as Promise<D[]>
    },
    count: (theirs) => collection.countDocuments({ ...filter, ...theirs }, query.count === 'exact' ? {} : { limit: EXACT_TOTAL + 1 }),
    compare: orderBy(field, direction),
  }
  // One more than is shown says whether there is a next page.
  const range = { skip: query.offset, limit: query.limit + 1 }
  const [found, counted] = await Promise.all(
    oneOf === undefined ? [reads.find({}, range), reads.count({})] : readOneOf(oneOf, range, reads),
  )
  const rows = found.slice(0, query.limit)
  const last = found.length > rows.length ? rows.at(-1) : undefined
  const isCapped = query.count !== 'exact' && counted > EXACT_TOTAL
  return {
    rows,
    page: {
      total: isCapped ? EXACT_TOTAL : counted,
      ...(isCapped ? { total_capped: true } : {}),
      ...{ limit: query.limit, offset: query.offset },
      ...(last === undefined ? {} : { next_cursor: writeCursor({ value: last[field], _id: last._id }, about) }),
    },
  }
}

/**
 * The same of rows that come one by one in the order of their `_id` that the query asks for. No more of them are drawn than it takes:
 * once the page is full, they are counted on until that has cost enough.
 */
export async function drawPage<R>(
  rows: AsyncIterable<R>,
  { query, name, idOf, costsEnough }: { query: PageQuery; name: string; idOf(row: R): string; costsEnough(): boolean },
): Promise<ListPage<R>> {
  const about = `${name} ${filtersOf(query)}`
  const from = query.cursor === undefined ? undefined : cursorOf(query, about)
  const isBehind = (id: string) => from === undefined || (query.sort_order === 'asc' ? id > from._id : id < from._id)
  const isExact = query.count === 'exact'
  const drawn: R[] = []
  let counted = 0
  let passed = 0
  let isCapped = false
  for await (const row of rows) {
    counted++
    if (isBehind(idOf(row)) && passed++ >= query.offset && drawn.length <= query.limit) drawn.push(row)
    isCapped = !isExact && drawn.length > query.limit && (counted > EXACT_TOTAL || costsEnough())
    if (isCapped) break
  }
  const shown = drawn.slice(0, query.limit)
  const last = drawn.length > shown.length ? shown.at(-1) : undefined
  return {
    rows: shown,
    page: {
      total: isExact ? counted : Math.min(counted, EXACT_TOTAL),
      ...(isCapped || (!isExact && counted > EXACT_TOTAL) ? { total_capped: true } : {}),
      ...{ limit: query.limit, offset: query.offset },
      ...(last === undefined ? {} : { next_cursor: writeCursor({ value: idOf(last), _id: idOf(last) }, about) }),
    },
  }
}

/** What was asked for beside the place: a cursor is good for this only. */
function filtersOf({ limit: _limit, offset: _offset, cursor: _cursor, count: _count, ...rest }: PageQuery): string {
  return canonicalJson(rest)
}

function cursorOf({ cursor = '', offset }: PageQuery, about: string): Cursor {
  if (offset > 0) throw new ParleyError('REQUEST_INVALID', { errors: [{ pointer: '/offset', detail: 'does not go with a cursor' }] })
  const read = readCursor(cursor, about)
  if (read !== undefined) return read
  throw new ParleyError('REQUEST_INVALID', {
    errors: [{ pointer: '/cursor', detail: 'is no cursor of this list with these filters and this order' }],
  })
}

/** As the database sorts: text by its bytes, moments by their time. */
function orderBy<D extends { _id: string }>(field: keyof D, direction: 1 | -1) {
  const compare = (a: unknown, b: unknown) => (isBefore(a, b) ? -direction : isBefore(b, a) ? direction : 0)
  return (a: D, b: D) => compare(a[field], b[field]) || compare(a._id, b._id)
}

function isBefore(a: unknown, b: unknown): boolean {
  return typeof a === 'string' && typeof b === 'string' ? Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0 : Number(a) < Number(b)
}

function behind(field: string, direction: 1 | -1, { value, _id }: Cursor): object {
  const further = direction === 1 ? '$gt' : '$lt'
  if (field === '_id') return { _id: { [further]: _id } }
  // The first part says nothing new, but it leads into the index; a database does not see it in the `$or`.
  return { [field]: { [`${further}e`]: value }, $or: [{ [field]: { [further]: value } }, { [field]: value, _id: { [further]: _id } }] }
}
