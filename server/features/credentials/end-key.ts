import type { RecordedCommand } from '../../pipeline/command.ts'
import { refuseWhenEnded } from '../rooms/index.ts'

/** The hub notes that a key of a party has ended. Behind this place it writes and reads nothing, on any node. Refused in an ended contract. */
export const endKey: RecordedCommand<'key.end'> = {
  kind: 'recorded',
  type: 'key.end',
  keyOf: ({ key_id }) => `key-ended:${key_id}`,
  sameAs: ({ key_id }) => ({ key_id }),
  decide: (room, { agent_id, key_id, reason }) => {
    refuseWhenEnded(room)
    return { event: { type: 'key.ended', data: { agent_id, key_id, reason } } }
  },
  ack: () => ({}),
}
