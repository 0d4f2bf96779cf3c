import type { mongo } from 'mongoose'

/** Only rows of which one of the two fields holds one of the values. */
export interface OneOf<D> {
  fields: readonly [keyof D & string, keyof D & string]
  values: readonly string[]
}

/** How rows that also fit a condition are read. */
export interface Reads<D> {
  find(only: mongo.Filter<D>, range: { skip: number; limit: number }): Promise<D[]>
  count(only: mongo.Filter<D>): Promise<number>
  /** The order in which `find` gives them. */
  compare(a: D, b: D): number
}

/** With more values, so many questions cost more than one that reads what is not asked for. */
const MOST_VALUES = 8
/** Each question brings the rows that are passed over, too. */
const MOST_OFFSET = 1_000

/**
 * Some rows in their order, and how many there are. Either field has an index that gives its rows in order; the two in one condition have none,
 * and would be looked for among all rows. So each field and value is asked for apart, and what comes is put together.
 */
export function readOneOf<D extends { _id: string }>(
  { fields, values }: OneOf<D>,
  { skip, limit }: { skip: number; limit: number },
  { find, count, compare }: Reads<D>,
): [rows: Promise<D[]>, total: Promise<number>] {
  // The cast holds: the fields are the rows' own, and hold text.
  const within = (...names: string[]) => Object.fromEntries(names.map((name) => [name, { $in: values }])) as mongo.Filter<D>
  if (values.length > MOST_VALUES || skip > MOST_OFFSET) {
    const either = { $or: fields.map((field) => within(field)) } as mongo.Filter<D>
    return [find(either, { skip, limit }), count(either)]
  }
  return [rows(), total()]

  async function rows(): Promise<D[]> {
    const questions = fields.flatMap((field) =>
      values.map((value) => find({ [field]: value } as mongo.Filter<D>, { skip: 0, limit: skip + limit })),
    )
    // A row may fit two of them.
    const found = new Map((await Promise.all(questions)).flat().map((row) => [row._id, row]))
    return [...found.values()].sort(compare).slice(skip, skip + limit)
  }

  /** Where the counts end at a bound, this is no less than the bound. */
  async function total(): Promise<number> {
    const [one, other] = fields
    const [ofOne, ofOther, ofBoth] = await Promise.all([count(within(one)), count(within(other)), count(within(one, other))])
    return ofOne + ofOther - ofBoth
  }
}
