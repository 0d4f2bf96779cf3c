import { requirePermission } from '../../../core/access/permit.ts'
import type { RecordedCommand } from '../../../pipeline/command.ts'
import { refuseWhenEnded } from '../../rooms/index.ts'
import { openCall } from './open-call.ts'

/** Someone wants the call to stop. Recorded; then whichever outcome commits first stands, and after the deadline the hub cancels it. */
export const cancelCall: RecordedCommand<'tool.cancel'> = {
  kind: 'recorded',
  type: 'tool.cancel',
  keyOf: ({ call_id }) => `cancel:${call_id}`,
  // Asked twice, with another reason: it is the same wish.
  sameAs: ({ contract_id, call_id }) => ({ contract_id, call_id }),
  decide: (room, { call_id, reason }, { actor, role }) => {
    refuseWhenEnded(room)
    openCall(room, call_id)
    // The requester reads it, as a message.
    if (role === 'provider' && reason !== undefined) requirePermission(room, actor, 'can_message_requester')
    return { event: { type: 'call.cancel_requested', data: { call_id, ...(reason === undefined ? {} : { reason }) } } }
  },
  ack: ({ stored, duplicate }) => ({ seq: stored.event.seq, ...(duplicate ? { duplicate: true as const } : {}) }),
}
