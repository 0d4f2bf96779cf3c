import { makeIndexes } from '../indexes.ts'
import type { Migration } from '../migrate.ts'

/** How often who asked lately: rows of rate-limiter-flexible, which end by themselves. */
export const rateLimits: Migration = {
  name: '0002-rate-limits',
  up: (connection) =>
    makeIndexes(connection, [
      { collection: 'rate_limits', name: 'rate_limits_key', keys: { key: 1 }, unique: true },
      { collection: 'rate_limits', name: 'rate_limits_expiry', keys: { expire: 1 }, expire_after_s: 0 },
    ]),
}
