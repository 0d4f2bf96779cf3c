import { makeIndexes } from '../indexes.ts'
import type { Migration } from '../migrate.ts'

// The hub looks at the time itself; a day more, so that a clock that is set back finds the keys as they were.
const DAY_S = 86_400

/** Keys of requests and what was answered. */
export const idempotency: Migration = {
  name: '0005-idempotency',
  up: (connection) =>
    makeIndexes(connection, [{ collection: 'idempotency', name: 'idempotency_expiry', keys: { expires_at: 1 }, expire_after_s: DAY_S }]),
}
