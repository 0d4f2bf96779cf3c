import { contractMachine } from '../../../shared/rules/contract-machine.ts'
import { next } from '../../../shared/rules/machine.ts'
import type { RecordedCommand } from '../../pipeline/command.ts'
import { refuseWhenEnded } from './refuse-when-ended.ts'

/** Ends the contract for good: from here on the room can be read, and its open calls are canceled by the hub. */
export const endContract: RecordedCommand<'contract.end'> = {
  kind: 'recorded',
  type: 'contract.end',
  keyOf: ({ key }) => key,
  decide: (room, { outcome, reason }) => {
    if (next(contractMachine, room.contract?.state ?? 'ended', 'end') === undefined) refuseWhenEnded(room)
    return { event: { type: 'contract.ended', data: { outcome, ...(reason === undefined ? {} : { reason }) } } }
  },
  ack: ({ stored, duplicate }) => ({ seq: stored.event.seq, ...(duplicate ? { duplicate: true as const } : {}) }),
}
