/** Time as the hub sees it. Tests move it by hand. */
export interface Clock {
  /** Milliseconds since 1970. May jump: what is stored and told needs it, and nothing that measures how long something took. */
  now(): number
  /** Milliseconds since some moment of this process; never jumps. */
  monotonic(): number
  /** Runs once after the time, however the clock jumps; the answer cancels it. A pending run never keeps the process alive. */
  after(ms: number, run: () => void): () => void
}

// setTimeout turns a longer wait into 1 ms.
const LONGEST_TIMEOUT_MS = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, run) => {
    // Nearly always; each connection has such a wait.
    if (ms <= LONGEST_TIMEOUT_MS) {
      const timer = setTimeout(run, Math.max(ms, 0))
      timer.unref()
      return () => clearTimeout(timer)
    }
    let cancel = () => {}
    const wait = (left_ms: number) => {
      const step_ms = Math.min(left_ms, LONGEST_TIMEOUT_MS)
      const timer = setTimeout(() => (left_ms > step_ms ? wait(left_ms - step_ms) : run()), step_ms)
      timer.unref()
      cancel = () => clearTimeout(timer)
    }
    wait(ms)
    return () => cancel()
  },
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
