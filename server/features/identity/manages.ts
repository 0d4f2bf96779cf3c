import { ParleyError } from '../../../shared/protocol/index.ts'
import { notYours } from '../../core/access/foreign.ts'
import { isOperator, isStaffMember, type Principal } from '../../core/access/principal.ts'

/** What somebody is to an agent; undefined for a stranger. */
export type Manager = 'itself' | 'owner' | 'admin' | 'staff'

export function managerOf(principal: Principal, agent_id: string): Manager | undefined {
  if (principal.kind === 'agent') return principal.id === agent_id ? 'itself' : undefined
  if (principal.owns.includes(agent_id)) return 'owner'
  if (isOperator(principal)) return 'admin'
  return isStaffMember(principal) ? 'staff' : undefined
}

/** Throws NOT_FOUND for a stranger, as for an agent that is not there, and PERMISSION_DENIED for who may see it but not do this. */
export function requireManager(principal: Principal, agent_id: string, allowed: readonly Manager[]): Manager {
  const manager = managerOf(principal, agent_id)
  if (manager === undefined) throw notYours()
  if (!allowed.includes(manager)) throw new ParleyError('PERMISSION_DENIED', { role: manager, allowed })
  return manager
}
