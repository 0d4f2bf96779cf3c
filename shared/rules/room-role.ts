import type { RoomRole, UserRole } from '../protocol/index.ts'

export interface Insider {
  id: string
  roles: readonly UserRole[]
  /** The agents that this user owns. */
  owns?: readonly string[]
}

export interface Parties {
  requester_id: string
  provider_id: string
}

export function isStaff(roles: readonly UserRole[]): boolean {
  return roles.includes('admin') || roles.includes('reviewer')
}

/** What a principal is to a contract; undefined for a stranger, who must not learn that it exists. */
export function roomRole(principal: Insider, parties: Parties): RoomRole | undefined {
  if (principal.id === parties.provider_id) return 'provider'
  // Before the requester: a reviewer who posted the job still reads the notes of the other staff.
  if (isStaff(principal.roles)) return 'staff'
  if (principal.id === parties.requester_id) return 'requester'
  return principal.owns?.includes(parties.provider_id) ? 'owner' : undefined
}

/** Staff notes are for staff, the owner and the provider; the requester gets a stub in their place, unless the agent is its own. */
export function seesStaffNotes(principal: Insider, parties: Parties): boolean {
  const role = roomRole(principal, parties)
  if (role === undefined) return false
  return role !== 'requester' || (principal.owns?.includes(parties.provider_id) ?? false)
}
