import { ParleyError, type RoomView } from '../../../shared/protocol/index.ts'
import { type Principal, seesNotes } from '../../core/principal.ts'
import type { RecordedCommand } from '../../pipeline/command.ts'
import { refuseWhenEnded } from './refuse-when-ended.ts'

const NOTE_WRITERS = ['staff', 'owner', 'provider']

/** Someone says something in the room, to all of it or to staff, owner and provider only. */
export const postMessage: RecordedCommand<'message.post'> = {
  kind: 'recorded',
  type: 'message.post',
  keyOf: ({ key }) => key,
  decide: (room, { body, visibility, reply_to, evidence }, { actor, role }) => {
    refuseWhenEnded(room)
    if (visibility === 'staff' && room.contract !== null && !seesNotes(actor, room.contract)) {
      throw new ParleyError('PERMISSION_DENIED', { detail: 'Notes are for staff, the owner and the provider', role, allowed: NOTE_WRITERS })
    }
    if (actor.kind === 'agent' && visibility === 'all') refuseUnlessMayMessage(room, actor)
    if (reply_to !== undefined && reply_to > room.seq) {
      throw new ParleyError('FRAME_INVALID', { errors: [{ pointer: '/reply_to', detail: `the room's log ends at ${room.seq}` }] })
    }
    if (evidence !== undefined && evidence.length > 0) {
      throw new ParleyError('NOT_FOUND', { errors: [{ pointer: '/evidence/0', detail: 'no such evidence in this contract' }] })
    }
    return { event: { type: 'message.posted', data: { body, visibility, ...(reply_to === undefined ? {} : { reply_to }) } } }
  },
  ack: ({ stored: { event }, duplicate }, epoch) => ({
    seq: event.seq,
    epoch,
    chain: event.chain,
    ...(duplicate ? { duplicate: true as const } : {}),
  }),
}

/** The agent's own permission and the contract's must both allow it. */
function refuseUnlessMayMessage(room: RoomView, agent: Principal): void {
  if (room.permissions.can_message_requester && agent.grants?.can_message_requester !== false) return
  throw new ParleyError('PERMISSION_DENIED', { detail: 'The agent may not message the requester', permission: 'can_message_requester' })
}
