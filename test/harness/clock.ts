import type { Clock } from '../../server/core/clock.ts'

const STEP_MS = 6 * 3_600_000

/**
 * A clock that stands until it is moved, from now on: the database sweeps what expired by its own. What falls due while it moves runs
 * in the order of its time. `jump` sets the time of day alone, as a wrong clock that is put right does.
 */
export function createManualClock(start_ms = Date.now()) {
  let passed = 0
  let offset = start_ms
  const waiting = new Set<{ at: number; run(): void }>()

  const clock: Clock = {
    now: () => offset + passed,
    monotonic: () => passed,
    after: (ms, run) => {
      const entry = { at: passed + Math.max(ms, 0), run }
      waiting.add(entry)
      return () => waiting.delete(entry)
    },
  }

  function advance(ms: number): void {
    const until = passed + ms
    for (;;) {
      const next = firstDue(until)
      if (next === undefined) break
      waiting.delete(next)
      passed = Math.max(passed, next.at)
      next.run()
    }
    passed = until
  }

  /**
   * Lets days pass: in steps between which the process does its other work. Months of timers in one go keep it from reading its sockets for
   * so long that, on a busy machine, the database's driver takes its server for dead.
   */
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      advance(Math.min(left, STEP_MS))
      await new Promise(setImmediate)
    }
  }

  /** Of several that are due at once the one that waited first. Days are tens of thousands of turns: this must stay quick. */
  function firstDue(until: number) {
    let first: { at: number; run(): void } | undefined
    for (const entry of waiting) if (entry.at <= until && (first === undefined || entry.at < first.at)) first = entry
    return first
  }

  function jump(ms: number): void {
    offset += ms
  }

  return { ...clock, advance, pass, jump }
}

export type ManualClock = ReturnType<typeof createManualClock>
