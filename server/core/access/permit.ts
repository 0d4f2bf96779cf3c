import {
  ParleyError,
  type PermissionFlag,
  type Permissions,
  type RoomView,
  type Scope,
  type ScopeRow,
  scopes,
  scopeTable,
} from '../../../shared/protocol/index.ts'
import type { Principal } from './principal.ts'
import { hasScope } from './scopes.ts'

/** What the provider's agent may do here: what itself and the contract both allow. Of a room that was never told, what the agent showed. */
export function inForce({ permissions, access }: RoomView, shown?: Permissions): Permissions {
  const own = access?.grants ?? shown
  const both = (flag: PermissionFlag) => permissions[flag] && own?.[flag] !== false
  return {
    can_read_attachments: both('can_read_attachments'),
    can_access_web: both('can_access_web'),
    can_run_code_sandbox: both('can_run_code_sandbox'),
    can_message_requester: both('can_message_requester'),
  }
}

/**
 * Throws PERMISSION_DENIED that names the permission, unless agent, contract and key all allow it. Only agents are bound so. Asked at
 * the door, on the room as it is when the frame's turn comes; and again when what was permitted is used.
 */
export function requirePermission(room: RoomView, actor: Principal, permission: PermissionFlag): void {
  if (actor.kind !== 'agent') return
  if (!inForce(room, actor.grants)[permission]) {
    const by = room.permissions[permission] ? 'agent' : 'contract'
    throw new ParleyError('PERMISSION_DENIED', { detail: `The ${by} does not allow ${permission}`, permission, by })
  }
  const scope = scopeFor(permission)
  if (scope === undefined || hasScope(actor, scope)) return
  throw new ParleyError('PERMISSION_DENIED', { detail: `The key lacks the scope '${scope}'`, permission, scope, by: 'key' })
}

function scopeFor(permission: PermissionFlag): Scope | undefined {
  return scopes.find((scope) => {
    const row: ScopeRow = scopeTable[scope]
    return row.permission === permission
  })
}
