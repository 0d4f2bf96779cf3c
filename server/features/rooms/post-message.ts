import { ParleyError } from '../../../shared/protocol/index.ts'
import { requirePermission } from '../../core/access/permit.ts'
import { seesNotes } from '../../core/access/principal.ts'
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
    // A note is for those who answer for the agent; the requester is spoken to by what all may read.
    if (role === 'provider' && visibility === 'all') requirePermission(room, actor, 'can_message_requester')
    if (reply_to !== undefined && reply_to > room.seq) {
      throw new ParleyError('FRAME_INVALID', { errors: [{ pointer: '/reply_to', detail: `the room's log ends at ${room.seq}` }] })
    }
    if (evidence !== undefined && evidence.length > 0) {
      if (role === 'provider') requirePermission(room, actor, 'can_read_attachments')
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
