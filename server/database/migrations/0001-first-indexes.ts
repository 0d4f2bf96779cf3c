import { type IndexRow, makeIndexes } from '../indexes.ts'
import type { Migration } from '../migrate.ts'

// Ended rows say nothing more. They stay a day, so that a clock that is set back finds them as they were.
const DAY_S = 86_400

/** Everything that version 0.1 stores. Never edited once released: a change is a migration of its own. */
const indexes: IndexRow[] = [
  { collection: 'events', name: 'events_key', keys: { stream: 1, 'by.id': 1, key: 1 }, unique: true },
  { collection: 'events', name: 'events_call', keys: { call_id: 1 }, sparse: true },
  { collection: 'events', name: 'events_pending', keys: { at: 1 }, partial: { pending: { $exists: true } } },
  { collection: 'contracts', name: 'contracts_requester', keys: { requester_id: 1, _id: -1 } },
  { collection: 'contracts', name: 'contracts_provider', keys: { provider_id: 1, _id: -1 } },
  { collection: 'contracts', name: 'contracts_state', keys: { state: 1, _id: -1 } },
  { collection: 'cursors', name: 'cursors_contract', keys: { contract_id: 1 } },
  { collection: 'timers', name: 'timers_due', keys: { due_at: 1 } },
  { collection: 'timers', name: 'timers_agent', keys: { agent_id: 1, 'frame.type': 1 } },
  { collection: 'agent_sessions', name: 'agent_sessions_agent', keys: { agent_id: 1, seen_at: -1 } },
  { collection: 'users', name: 'users_email', keys: { email: 1 }, unique: true },
  { collection: 'users', name: 'users_built_in', keys: { built_in: 1 }, unique: true, sparse: true },
  { collection: 'agents', name: 'agents_owner', keys: { owner_id: 1, _id: 1 } },
  { collection: 'agent_keys', name: 'agent_keys_hash', keys: { hash: 1 }, unique: true },
  { collection: 'agent_keys', name: 'agent_keys_agent', keys: { agent_id: 1, _id: 1 } },
  { collection: 'token_families', name: 'token_families_user', keys: { user_id: 1 } },
  { collection: 'token_families', name: 'token_families_expiry', keys: { expires_at: 1 }, expire_after_s: DAY_S },
  { collection: 'sign_in_links', name: 'sign_in_links_expiry', keys: { expires_at: 1 }, expire_after_s: DAY_S },
  { collection: 'browser_sessions', name: 'browser_sessions_user', keys: { user_id: 1 } },
  { collection: 'browser_sessions', name: 'browser_sessions_expiry', keys: { expires_at: 1 }, expire_after_s: DAY_S },
]

export const firstIndexes: Migration = { name: '0001-first-indexes', up: (connection) => makeIndexes(connection, indexes) }
