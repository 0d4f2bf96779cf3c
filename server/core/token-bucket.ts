import type { Clock } from './clock.ts'

export interface BucketSize {
  per_s: number
  burst: number
  clock: Clock
}

/**
 * Lets `per_s` through in the long run, and `burst` at once. An amount above the burst passes when the bucket is full, and is paid off after.
 * A class, for every connection has two of them.
 */
export class Bucket {
  readonly #size: BucketSize
  #level: number
  #at: number

  constructor(size: BucketSize) {
    this.#size = size
    this.#level = size.burst
    this.#at = size.clock.monotonic()
  }

  /** Takes the amount, or answers how many milliseconds to wait for it. */
  take(amount: number): number {
    this.#fill()
    const { per_s, burst } = this.#size
    const needed = Math.min(amount, burst)
    if (this.#level < needed) return Math.ceil(((needed - this.#level) * 1_000) / per_s)
    this.#level -= amount
    return 0
  }

  /** Takes the amount whether it is there or not: who comes next waits longer. */
  owe(amount: number): void {
    this.#fill()
    this.#level -= amount
  }

  #fill(): void {
    const { per_s, burst, clock } = this.#size
    const now = clock.monotonic()
    this.#level = Math.min(burst, this.#level + ((now - this.#at) * per_s) / 1_000)
    this.#at = now
  }
}
