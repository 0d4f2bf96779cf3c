import type { RecordedCommand } from '../../pipeline/command.ts'
import { refuseWhenEnded } from '../rooms/index.ts'

/** The hub notes that a party's agent has a new key, and which bounds it has. Refused in an ended contract. */
export const tellIssue: RecordedCommand<'key.issue'> = {
  kind: 'recorded',
  type: 'key.issue',
  keyOf: ({ key_id }) => `key-issued:${key_id}`,
  sameAs: ({ key_id }) => ({ key_id }),
  decide: (room, { agent_id, key_id, bounds }) => {
    refuseWhenEnded(room)
    return { event: { type: 'key.issued', data: { agent_id, key_id, bounds } } }
  },
  ack: () => ({}),
}
