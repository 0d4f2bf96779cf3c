import { ParleyError } from '../../../shared/protocol/index.ts'
import { isOperator, type Principal } from '../../core/access/principal.ts'
import { requireScope } from '../../core/access/scopes.ts'
import type { RouteAccess } from './route.ts'

/** Throws for one who may not come in by the route at all. What it does then may ask for more. */
export function requireAccess(route: RouteAccess, principal: Principal | undefined): void {
  if (route.access === 'public' || route.access === 'open') return
  if (principal === undefined) throw new ParleyError('UNAUTHENTICATED')
  if (route.access === 'operator' && !isOperator(principal)) throw new ParleyError('PERMISSION_DENIED', { allowed: ['admin'] })
  if (route.access === 'principal') requireScope(principal, route.scope)
}
