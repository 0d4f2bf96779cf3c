import { mustHold } from './must-hold.ts'

const PATIENCE_MS = 300_000

describe('faults under load, on two nodes and a real Redis', function () {
  this.timeout(PATIENCE_MS)

  it('[FAULT-4] kill -9 of one of two hubs: nothing acknowledged is lost or twice, all see one order, every call ends once', () =>
    mustHold('kill-node'))

  it('[FAULT-5] kill -9 of Redis and its return: the same', () => mustHold('kill-redis'))

  it('[FAULT-6] two hubs restarted one after the other: the same, and each ends with 0', () => mustHold('rolling-restart'))
})
