import type { By, KeyScope, Permissions, Profile, RatesPatch, RoomRole, UserRole } from '../../../shared/protocol/index.ts'
import { isStaff, type Parties, roomRole, seesStaffNotes } from '../../../shared/rules/room-role.ts'

/** Who acts, as far as the door has proven it. */
export interface Principal {
  kind: 'user' | 'agent' | 'system'
  id: string
  name: string
  roles: readonly UserRole[]
  /** The agents that this user owns. */
  owns: readonly string[]
  /** What an agent may do at most; a contract can only narrow it. Humans and the system have no such bound. */
  grants?: Permissions
  /** What was shown as proof. The system needs none. */
  credential?: Credential
}

/** What a principal has shown, as long as it holds. `id` names it in the store and in events, and is no secret. */
export type Credential =
  /**
   * An agent's key, with how often it may ask where that differs from the hub's rates, together with which other keys, and what else it is
   * bound to.
   */
  | { kind: 'key'; id: string; scopes: readonly KeyScope[]; rates?: RatesPatch; counted_as?: string; profile?: Profile }
  /** A user's sign-in, by cookie or token. */
  | { kind: 'session'; id: string }
  | { kind: 'operator'; id: 'operator' }

/** What counts together, of requests and of tasks: a key, those that it handed its bounds on to, and those that replaced any of them. */
export function countedAs({ credential }: Principal): string | undefined {
  return credential?.kind === 'key' ? (credential.counted_as ?? credential.id) : undefined
}

/** The hub itself: timers and reactors send their frames as it, through the same door. */
export const system: Principal = { kind: 'system', id: 'system', name: 'Parley', roles: [], owns: [] }

export type ActingRole = RoomRole | 'system'

export function actingRole(principal: Principal, parties: Parties): ActingRole | undefined {
  return principal.kind === 'system' ? 'system' : roomRole(principal, parties)
}

export function isOperator(principal: Principal): boolean {
  return principal.kind === 'user' && principal.roles.includes('admin')
}

export function isStaffMember(principal: Principal): boolean {
  return principal.kind === 'user' && isStaff(principal.roles)
}

export function byOf({ kind, id }: Principal): By {
  return { kind, id }
}

export function seesNotes(principal: Principal, parties: Parties): boolean {
  return principal.kind === 'system' || seesStaffNotes(principal, parties)
}
