import { makeIndexes } from '../indexes.ts'
import type { Migration } from '../migrate.ts'

/** What was given up is counted at each look at the metrics, and is nearly always nothing. */
export const deadLetters: Migration = {
  name: '0008-dead-letters',
  up: (connection) =>
    makeIndexes(connection, [
      { collection: 'timers', name: 'timers_dead', keys: { dead_at: 1 }, sparse: true },
      { collection: 'events', name: 'events_dead', keys: { 'dead_letter.at': 1 }, sparse: true },
    ]),
}
