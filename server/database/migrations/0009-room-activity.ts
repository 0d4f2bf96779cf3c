import type { Connection } from 'mongoose'
import { makeIndexes } from '../indexes.ts'
import type { Migration } from '../migrate.ts'

interface ContractRow {
  _id: string
  opened_at: Date
  last_activity_at?: Date
}

interface EventRow {
  _id: string
  at: Date
}

const AT_ONCE = 500

/** Contracts can be listed by when something was last done in their rooms: for those that are there, their last event says when. */
export const roomActivity: Migration = {
  name: '0009-room-activity',
  up: async (connection) => {
    await makeIndexes(connection, [
      { collection: 'contracts', name: 'contracts_activity', keys: { last_activity_at: -1, _id: -1 } },
      { collection: 'contracts', name: 'contracts_requester_activity', keys: { requester_id: 1, last_activity_at: -1, _id: -1 } },
      { collection: 'contracts', name: 'contracts_provider_activity', keys: { provider_id: 1, last_activity_at: -1, _id: -1 } },
      { collection: 'contracts', name: 'contracts_state_activity', keys: { state: 1, last_activity_at: -1, _id: -1 } },
    ])
    const contracts = connection.collection<ContractRow>('contracts')
    for (;;) {
      const rows = await contracts
        .find({ last_activity_at: { $exists: false } })
        .limit(AT_ONCE)
        .toArray()
      if (rows.length === 0) return
      const updates = await Promise.all(rows.map((row) => updateOf(connection, row)))
      await contracts.bulkWrite(updates)
    }
  },
}

async function updateOf(connection: Connection, { _id, opened_at }: ContractRow) {
  const range = { _id: { $gt: `contract:${_id}:`, $lt: `contract:${_id};` } }
  const [last] = await connection
    .collection<EventRow>('events')
    .find(range)
    .sort({ _id: -1 })
    .limit(1)
    .project<EventRow>({ at: 1 })
    .toArray()
  return { updateOne: { filter: { _id }, update: { $max: { last_activity_at: last?.at ?? opened_at } } } }
}
