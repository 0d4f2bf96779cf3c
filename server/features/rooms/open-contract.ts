import { ParleyError } from '../../../shared/protocol/index.ts'
import type { RecordedCommand } from '../../pipeline/command.ts'

/** Opens a contract, and with it its room: always the first event of the log. Who may is asked by the route, for there is no room yet. */
export const openContract: RecordedCommand<'contract.open'> = {
  kind: 'recorded',
  type: 'contract.open',
  // Recorded under whoever opened it, so its key must not be one that this person may choose for something else by chance.
  keyOf: ({ contract_id }) => `open:${contract_id}`,
  // What its provider may do at most is told, not asked: it may be another at the second try.
  sameAs: ({ grants: _grants, grants_version: _version, ...asked }) => asked,
  decide: (room, { title, requester_id, provider_id, permissions, grants, grants_version, value }) => {
    if (room.contract !== null) throw new ParleyError('ALREADY_EXISTS')
    const own = { ...(grants ? { grants } : {}), ...(grants_version === undefined ? {} : { grants_version }), ...(value ? { value } : {}) }
    return { event: { type: 'contract.opened', data: { title, requester_id, provider_id, permissions, ...own } } }
  },
  ack: ({ stored: { event } }) => ({ seq: event.seq }),
}
