import { ParleyError } from '../../../shared/protocol/index.ts'
import type { RecordedCommand } from '../../pipeline/command.ts'

/** Opens a contract, and with it its room: always the first event of the log. Who may is asked by the route, for there is no room yet. */
export const openContract: RecordedCommand<'contract.open'> = {
  kind: 'recorded',
  type: 'contract.open',
  // Recorded under whoever opened it, so its key must not be one that this person may choose for something else by chance.
  keyOf: ({ contract_id }) => `open:${contract_id}`,
  decide: (room, { title, requester_id, provider_id, permissions, value }) => {
    if (room.contract !== null) throw new ParleyError('ALREADY_EXISTS')
    return { event: { type: 'contract.opened', data: { title, requester_id, provider_id, permissions, ...(value ? { value } : {}) } } }
  },
  ack: ({ stored: { event } }) => ({ seq: event.seq }),
}
