import type { Clock } from '../../core/clock.ts'

export interface Bucket {
  /** Takes the amount, or answers how many milliseconds to wait for it. */
  take(amount: number): number
  /** Takes the amount whether it is there or not: who comes next waits longer. */
  owe(amount: number): void
}

/** Lets `per_s` through in the long run, and `burst` at once. An amount above the burst passes when the bucket is full, and is paid off after. */
export function createBucket({ per_s, burst, clock }: { per_s: number; burst: number; clock: Clock }): Bucket {
  let [level, at] = [burst, clock.monotonic()]

  function fill(): void {
    const now = clock.monotonic()
    level = Math.min(burst, level + ((now - at) * per_s) / 1_000)
    at = now
  }

  return {
    take: (amount) => {
      fill()
      const needed = Math.min(amount, burst)
      if (level < needed) return Math.ceil(((needed - level) * 1_000) / per_s)
      level -= amount
      return 0
    },
    owe: (amount) => {
      fill()
      level -= amount
    },
  }
}
