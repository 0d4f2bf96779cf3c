/** Time as the hub sees it. Tests move it by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Runs once after the time; the answer cancels it. A pending run never keeps the process alive. */
  after(ms: number, run: () => void): () => void
}

// setTimeout turns a longer wait into 1 ms.
const LONGEST_TIMEOUT_MS = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.min(Math.max(ms, 0), LONGEST_TIMEOUT_MS))
    timer.unref()
    return () => clearTimeout(timer)
  },
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
