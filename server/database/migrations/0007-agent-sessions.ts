import { makeIndexes } from '../indexes.ts'
import type { Migration } from '../migrate.ts'

/** Sessions that nothing can follow from are forgotten, and those that fell silent with their node are found. */
export const agentSessions: Migration = {
  name: '0007-agent-sessions',
  up: async (connection) => {
    await makeIndexes(connection, [
      { collection: 'agent_sessions', name: 'agent_sessions_expiry', keys: { expires_at: 1 }, expire_after_s: 0 },
      { collection: 'agent_sessions', name: 'agent_sessions_silent', keys: { seen_at: 1 }, partial: { watched: true } },
    ])
    const sessions = connection.collection('agent_sessions')
    // Of what an earlier version told nothing is known: the next sign of life looks at the rooms, and lets them expire.
    await sessions.updateMany({ ill: { $exists: false }, expires_at: { $exists: false } }, { $set: { ill: true } })
    await sessions.updateMany({ live: true, watched: { $exists: false } }, { $set: { watched: true } })
  },
}
