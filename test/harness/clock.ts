import type { Clock } from '../../server/core/clock.ts'

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
      const [next] = [...waiting].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      waiting.delete(next)
      passed = Math.max(passed, next.at)
      next.run()
    }
    passed = until
  }

  function jump(ms: number): void {
    offset += ms
  }

  return { ...clock, advance, jump }
}

export type ManualClock = ReturnType<typeof createManualClock>
