import { randomBytes } from 'node:crypto'

const SALT_BYTES = 16
// Asking the system for chance costs the same for one salt and for many.
const DRAWN_AT_ONCE = 256

/** Random salts of events, as hex: none is handed out twice. */
export function createSalts(): () => string {
  let drawn = Buffer.alloc(0)
  let at = 0
  return () => {
    if (at === drawn.length) {
      drawn = randomBytes(SALT_BYTES * DRAWN_AT_ONCE)
      at = 0
    }
    at += SALT_BYTES
    return drawn.toString('hex', at - SALT_BYTES, at)
  }
}
