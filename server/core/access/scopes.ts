import { ALL_SCOPES, type FrameType, type KeyScope, ParleyError, type PushType, type Scope } from '../../../shared/protocol/index.ts'
import type { Principal } from './principal.ts'

/** What a key must have to send the frame; null = any key may. */
export const frameScopes = {
  'agent.hello': null,
  'agent.tools.register': 'tools',
  'agent.heartbeat': null,
  'room.join': 'rooms:read',
  'room.leave': 'rooms:read',
  'message.post': 'rooms:write',
  'tool.call': 'rooms:write',
  'tool.cancel': 'rooms:write',
  'agent.tool.stream': 'tools',
  'agent.tool.result': 'tools',
  'contract.end': 'rooms:write',
  typing: 'rooms:write',
  'cursor.set': 'rooms:read',
  'audit.follow': null,
  'audit.unfollow': null,
  'auth.refresh': null,
} as const satisfies Record<FrameType, Scope | null>

/** What a key must have to be told what goes to all connections of its principal. Rooms are told to who has joined them. */
export const pushScopes: { readonly [T in PushType]?: Scope } = { 'contract.opened': 'rooms:read' }

/** Only keys have scopes: a human's bound is the role. */
export function hasScope({ credential }: Principal, scope: Scope): boolean {
  return credential?.kind !== 'key' || covers(credential.scopes, scope)
}

/** Throws PERMISSION_DENIED that names what the key lacks. */
export function requireScope(principal: Principal, scope: Scope | null): void {
  if (scope === null || hasScope(principal, scope)) return
  throw new ParleyError('PERMISSION_DENIED', { detail: `The key lacks the scope '${scope}'`, scope })
}

/** Whether who holds these may hand on that one. */
export function covers(held: readonly KeyScope[], scope: KeyScope): boolean {
  return held.includes(ALL_SCOPES) || held.includes(scope)
}
