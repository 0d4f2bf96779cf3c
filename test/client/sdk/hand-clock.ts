import type { Clock } from '../../../client/sdk/link/clock.ts'

export interface HandClock extends Clock {
  /** What is waited for, in milliseconds from now. */
  readonly waits: number[]
  /** Moves time on and runs what is due. */
  pass(ms: number): void
}

/** Time that stands still until a test moves it. Pauses without length run at once: with `random` at 0 every backoff is one. */
export function handClock({ random = 0 }: { random?: number } = {}): HandClock {
  let now = Date.parse('2026-11-20T10:00:00.000Z')
  const timers = new Set<{ at: number; run: () => void }>()
  return {
    get waits() {
      return Array.from(timers, ({ at }) => at - now).sort((a, b) => a - b)
    },
    now: () => now,
    random: () => random,
    after(ms, run) {
      if (ms === 0) {
        const immediate = setImmediate(run)
        return () => clearImmediate(immediate)
      }
      const timer = { at: now + ms, run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    pass(ms) {
      now += ms
      for (const timer of [...timers].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at)) {
        timers.delete(timer)
        timer.run()
      }
    },
  }
}
