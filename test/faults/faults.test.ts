import { mustHold } from './must-hold.ts'

const PATIENCE_MS = 300_000

/** Hub processes, clients behind networks of their own, and everything that they saw against the log: `npm run faults` has more seeds. */
describe('faults under load, on one node', function () {
  this.timeout(PATIENCE_MS)

  it('[FAULT-1] kill -9 of the hub: nothing acknowledged is lost or twice, all see one order, every call ends once', () =>
    mustHold('kill-hub'))

  it('[FAULT-2] kill -9 of the embedded database: the same', () => mustHold('kill-database'))

  it('[FAULT-3] 2 s cuts of the clients’ networks: the same', () => mustHold('cut-clients'))
})
