import { type FrameType, ParleyError, type RoomView } from '../../../shared/protocol/index.ts'
import { notYours } from './foreign.ts'
import { type ActingRole, actingRole, type Principal } from './principal.ts'

/** What only the hub itself sends: timers, reactors, and routes that stand before a room exists. */
export type SystemFrameType =
  | 'contract.open'
  | 'call.start'
  | 'call.time_out'
  | 'call.cancel'
  | 'call.abandon'
  | 'agent.mark_unhealthy'
  | 'agent.mark_recovered'
  | 'key.end'
  | 'key.issue'
  | 'contract.permit'
  | 'agent.grant'
  | 'permission.refuse'

/** The frames that act on a room: the others concern the sender's session only. */
export type RoomFrameType =
  | Exclude<FrameType, 'agent.hello' | 'agent.tools.register' | 'agent.heartbeat' | 'audit.follow' | 'audit.unfollow' | 'auth.refresh'>
  | SystemFrameType

const everyone = ['requester', 'provider', 'owner', 'staff'] as const

/** Frame × role. Who is not in a room at all learns nothing of it; who is, but not in the row, is refused with the roles that may. */
export const permissionTable = {
  'room.join': everyone,
  'room.leave': everyone,
  'message.post': everyone,
  'tool.call': ['requester', 'provider', 'staff'],
  'tool.cancel': ['requester', 'provider', 'staff'],
  'agent.tool.stream': ['provider'],
  'agent.tool.result': ['provider'],
  'contract.end': ['requester', 'provider', 'staff'],
  typing: everyone,
  'cursor.set': everyone,
  'contract.open': ['system'],
  'call.start': ['system'],
  'call.time_out': ['system'],
  'call.cancel': ['system'],
  'call.abandon': ['system'],
  'agent.mark_unhealthy': ['system'],
  'agent.mark_recovered': ['system'],
  'key.end': ['system'],
  'key.issue': ['system'],
  'contract.permit': ['requester', 'staff'],
  'agent.grant': ['system'],
  'permission.refuse': ['system'],
} as const satisfies Record<RoomFrameType, readonly ActingRole[]>

/**
 * Answers what the principal is to the room, or refuses. NOT_FOUND for a stranger and for a room that is not there: one answer,
 * so that nobody can tell the two apart.
 */
export function authorize(room: RoomView, frame: RoomFrameType, principal: Principal): ActingRole {
  if (room.contract === null) throw new ParleyError('NOT_FOUND')
  const role = actingRole(principal, room.contract)
  if (role === undefined) throw notYours()
  if (hasEnded(room, principal)) throw new ParleyError('UNAUTHENTICATED')
  const allowed: readonly ActingRole[] = permissionTable[frame]
  if (!allowed.includes(role)) throw new ParleyError('PERMISSION_DENIED', { frame, role, allowed })
  return role
}

/** The log itself knows which keys have ended, so a node that has not heard of it cannot write behind that place. */
function hasEnded({ access }: RoomView, { credential }: Principal): boolean {
  return credential?.kind === 'key' && (access?.ended_keys?.includes(credential.id) ?? false)
}
