import { ParleyError } from '../../../shared/protocol/index.ts'
import type { RecordedCommand } from '../../pipeline/command.ts'
import { requireSeen } from '../../pipeline/http/conditional.ts'
import { refuseWhenEnded } from '../rooms/index.ts'

/** The requester or staff says what the contract permits. Refused when the flags are no longer those that were seen. */
export const permitContract: RecordedCommand<'contract.permit'> = {
  kind: 'recorded',
  type: 'contract.permit',
  keyOf: ({ request_id }) => `permit:${request_id}`,
  decide: (room, { permissions, if_match, if_none_match }) => {
    refuseWhenEnded(room)
    requireSeen({ 'if-match': if_match, 'if-none-match': if_none_match }, room.permissions)
    return { event: { type: 'permissions.changed', data: { of: 'contract', permissions: { ...room.permissions, ...permissions } } } }
  },
  ack: () => ({}),
}

/** The hub tells a room what the provider's agent may do at most. An older version than the room knows is refused. */
export const grantAgent: RecordedCommand<'agent.grant'> = {
  kind: 'recorded',
  type: 'agent.grant',
  keyOf: ({ agent_id, version }) => `grants:${agent_id}:${version}`,
  decide: (room, { agent_id, permissions, version, granted_by }) => {
    refuseWhenEnded(room)
    if (room.contract?.provider_id !== agent_id || (room.access?.grants_version ?? -1) >= version) throw new ParleyError('ALREADY_EXISTS')
    return { event: { type: 'permissions.changed', data: { of: 'agent', permissions, version, granted_by } } }
  },
  ack: () => ({}),
}
