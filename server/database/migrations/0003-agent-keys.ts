import { makeIndexes } from '../indexes.ts'
import type { Migration } from '../migrate.ts'

interface OldKey {
  _id: string
  agent_id: string
  status: string
  created_at: Date
  created_by: object
}

/** Keys get a history and replace one another, and agents know which of theirs are good. */
export const agentKeys: Migration = {
  name: '0003-agent-keys',
  up: async (connection) => {
    await makeIndexes(connection, [{ collection: 'agent_keys', name: 'agent_keys_family', keys: { family_id: 1 } }])
    const [agents, keys] = [connection.collection<{ _id: string }>('agents'), connection.collection<OldKey>('agent_keys')]
    for await (const { _id, created_at, created_by } of keys.find({ family_id: { $exists: false } })) {
      const history = [{ type: 'created', at: created_at, by: created_by }]
      const news = { family_id: _id, name: null, activated_at: created_at, history, last_used_at: null, uses: 0 }
      await keys.updateOne({ _id }, { $set: news })
    }
    for await (const { _id } of agents.find({ keys_rev: { $exists: false } })) {
      const live = await keys.find({ agent_id: _id, status: 'active' }).toArray()
      const live_keys = live.map((key) => ({ id: key._id, family_id: key._id }))
      await agents.updateOne({ _id }, { $set: { rev: 0, live_keys, keys_rev: 0 } })
    }
  },
}
