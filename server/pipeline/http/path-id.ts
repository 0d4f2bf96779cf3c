import { idSchema, ParleyError } from '../../../shared/protocol/index.ts'
import type { RouteRequest } from './route.ts'

/** An id in the path, by the name that the route gives it. Throws NOT_FOUND for what is none. */
export function pathId({ params }: Pick<RouteRequest, 'params'>, name = 'id'): string {
  const id = idSchema.safeParse(params[name])
  if (!id.success) throw new ParleyError('NOT_FOUND')
  return id.data
}
