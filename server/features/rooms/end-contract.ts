import type { Frame, RoomView } from '../../../shared/protocol/index.ts'
import { contractMachine } from '../../../shared/rules/contract-machine.ts'
import { next } from '../../../shared/rules/machine.ts'
import { requirePermission } from '../../core/access/permit.ts'
import type { ActingRole, Principal } from '../../core/access/principal.ts'
import type { RecordedCommand } from '../../pipeline/command.ts'
import { refuseWhenEnded } from './refuse-when-ended.ts'

/** A name for what became of it. More is a text, as a reason is. */
const PLAIN_OUTCOME = /^[a-z0-9_.-]{1,40}$/i

/** Ends the contract for good: from here on the room can be read, and its open calls are canceled by the hub. */
export const endContract: RecordedCommand<'contract.end'> = {
  kind: 'recorded',
  type: 'contract.end',
  keyOf: ({ key }) => key,
  decide: (room, frame, { actor, role }) => {
    const { outcome, reason } = frame
    if (next(contractMachine, room.contract?.state ?? 'ended', 'end') === undefined) refuseWhenEnded(room)
    refuseUnpermittedText(room, frame, { actor, role })
    return { event: { type: 'contract.ended', data: { outcome, ...(reason === undefined ? {} : { reason }) } } }
  },
  ack: ({ stored, duplicate }) => ({ seq: stored.event.seq, ...(duplicate ? { duplicate: true as const } : {}) }),
}

/** What the provider's agent writes here is read by the requester, as a message is. */
function refuseUnpermittedText(
  room: RoomView,
  { outcome, reason }: Frame<'contract.end'>,
  { actor, role }: { actor: Principal; role: ActingRole },
): void {
  const isText = reason !== undefined || !PLAIN_OUTCOME.test(outcome)
  if (role === 'provider' && isText) requirePermission(room, actor, 'can_message_requester')
}
