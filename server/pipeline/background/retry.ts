import { ParleyError } from '../../../shared/protocol/index.ts'
import { isOutOfReach } from '../../core/out-of-reach.ts'

/** After so many failures of our own (some two hours) background work is a dead letter: it stays, with its reason, for a person. */
export const MOST_ATTEMPTS = 12
const FIRST_WAIT_MS = 2_000
export const LONGEST_WAIT_MS = 30 * 60_000

/** Background work that was given up. */
export interface DeadLetter {
  kind: 'timer' | 'reactor'
  id: string
  attempts: number
  error: string
}

/** The pause before the next try, doubled with each failure. */
export function waitAfter(attempts: number): number {
  return Math.min(FIRST_WAIT_MS * 2 ** (attempts - 1), LONGEST_WAIT_MS)
}

/** The database is away or the hub is full: it passes, however long it lasts, and counts as no attempt. */
export function willPass(error: unknown): boolean {
  if (error instanceof ParleyError) return error.code === 'UNAVAILABLE' || error.code === 'OVERLOADED'
  if (isOutOfReach(error)) return true
  return error instanceof Error && /^Mongo/.test(error.name) && !('code' in error && typeof error.code === 'number')
}

export function reasonOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 500)
}

/** A row that nobody holds. A lease that ends later than any that is given now was given before the clock was set back. */
export function isFree(until: string, now_ms: number, lease_ms: number): object {
  const [now, latest] = [new Date(now_ms), new Date(now_ms + lease_ms)]
  return { $or: [{ [until]: { $exists: false } }, { [until]: { $lte: now } }, { [until]: { $gt: latest } }] }
}
