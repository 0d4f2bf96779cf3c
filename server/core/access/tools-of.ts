import type { Principal } from './principal.ts'
import { profileOf } from './profile.ts'
import { hasScope } from './scopes.ts'

/** The tools whose calls may be sent to sessions of the principal; null = all that its agent registers. */
export function toolsOf(principal: Principal): readonly string[] | null {
  if (!hasScope(principal, 'tools')) return []
  return profileOf(principal)?.allowed_tools ?? null
}
