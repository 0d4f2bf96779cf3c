import { expect } from 'chai'
import { runStorm } from './load/storm.ts'
import { mustHold } from './must-hold.ts'

const PATIENCE_MS = 300_000
/** `npm run faults` does it with 5,000. */
const CLIENTS = 1_000

/** Hub processes, clients behind networks of their own, and everything that they saw against the log: `npm run faults` has more seeds. */
describe('faults under load, on one node', function () {
  this.timeout(PATIENCE_MS)

  it('[FAULT-1] kill -9 of the hub: nothing acknowledged is lost or twice, all see one order, every call ends once', () =>
    mustHold('kill-hub'))

  it('[FAULT-2] kill -9 of the embedded database: the same', () => mustHold('kill-database'))

  it('[FAULT-3] 2 s cuts of the clients’ networks: the same', () => mustHold('cut-clients'))

  it('[FAULT-10] a thousand clients come back at once to a hub that was killed: all get all, once, and a room is read once', async () => {
    const { ms, retries, ...storm } = await runStorm(CLIENTS)
    console.log(`      all live after ${Math.round(ms)} ms, ${retries} connections tried again`)
    const { rooms } = storm
    expect(storm).to.deep.equal({ clients: CLIENTS, live: CLIENTS, told: 100 * CLIENTS, rooms, lost: 0, twice: 0, holes: 0, reads: rooms })
  })
})
