import type { z } from 'zod'
import { fieldErrors, ParleyError } from '../../shared/protocol/index.ts'

/** What came from outside, by its schema. Throws REQUEST_INVALID that points at each fault. */
export function parse<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new ParleyError('REQUEST_INVALID', { errors: fieldErrors(parsed.error) })
  return parsed.data
}
