import type { Connection } from 'mongoose'
import { type IndexRow, makeIndexes } from '../indexes.ts'
import type { Migration } from '../migrate.ts'

// As in 0001: ended rows stay a day, for a clock that is set back.
const DAY_S = 86_400

const indexes: IndexRow[] = [
  { collection: 'users', name: 'users_status', keys: { status: 1, _id: 1 } },
  { collection: 'user_sessions', name: 'user_sessions_hash', keys: { hash: 1 }, unique: true },
  { collection: 'user_sessions', name: 'user_sessions_user', keys: { user_id: 1, _id: -1 } },
  { collection: 'user_sessions', name: 'user_sessions_expiry', keys: { expires_at: 1 }, expire_after_s: DAY_S },
  { collection: 'one_time_links', name: 'one_time_links_expiry', keys: { expires_at: 1 }, expire_after_s: DAY_S },
  { collection: 'sign_in_counts', name: 'sign_in_counts_expiry', keys: { expires_at: 1 }, expire_after_s: DAY_S },
]

/** Sessions of both kinds in one collection, and links of three. What was signed in before signs in again. */
async function up(connection: Connection): Promise<void> {
  await makeIndexes(connection, indexes)
  const before = { sessions_version: { $exists: false } }
  await connection.collection('users').updateMany(before, { $set: { status: 'active', sessions_version: 1 } })
  for (const name of ['token_families', 'browser_sessions', 'sign_in_links']) await connection.collection(name).deleteMany({})
}

export const userSessions: Migration = { name: '0006-user-sessions', up }
