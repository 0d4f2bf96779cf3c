import { z } from 'zod'

/** A whole number of a query string. Only digits: what else `Number` takes (blanks, `0x10`, `1e3`) is a slip, and is told. */
export const count = ({ min, max, fallback }: { min: number; max: number; fallback: number }) =>
  z
    .string()
    .regex(/^\d{1,12}$/, `is a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min).max(max))
    .default(fallback)

/**
 * What every list takes. `sorts` are the fields that it may be sorted by, the first when none is named. A `cursor` goes on behind
 * the last row of a page, whatever was added in front of it meanwhile; an `offset` counts rows.
 */
export const pageQuery = <S extends string>(sorts: readonly [S, ...S[]]) => ({
  limit: count({ min: 1, max: 200, fallback: 50 }),
  offset: count({ min: 0, max: 1_000_000, fallback: 0 }),
  cursor: z
    .string()
    .regex(/^[\w-]{1,1000}$/, 'is no cursor of this list')
    .exactOptional(),
  /** `exact` counts on where `total` would stop. */
  count: z.enum(['exact']).exactOptional(),
  sort_by: z.enum(sorts).default(sorts[0]),
  sort_order: z.enum(['asc', 'desc']).default('desc'),
})

/** What every list answers. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    /** Exact up to 10,000. */
    total: z.int(),
    /** There are more than `total`; `count=exact` says how many. */
    total_capped: z.literal(true).exactOptional(),
    limit: z.int(),
    offset: z.int(),
    /** For the page behind this one; absent on the last. */
    next_cursor: z.string().exactOptional(),
  })
