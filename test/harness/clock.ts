import type { Clock } from '../../server/core/clock.ts'

/** A clock that stands until it is moved, from now on: the database sweeps what expired by its own. What falls due while it moves runs in the order of its time. */
export function createManualClock(start_ms = Date.now()) {
  let now = start_ms
  const waiting = new Set<{ at: number; run(): void }>()

  const clock: Clock = {
    now: () => now,
    after: (ms, run) => {
      const entry = { at: now + Math.max(ms, 0), run }
      waiting.add(entry)
      return () => waiting.delete(entry)
    },
  }

  function advance(ms: number): void {
    const until = now + ms
    for (;;) {
      const [next] = [...waiting].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      waiting.delete(next)
      now = Math.max(now, next.at)
      next.run()
    }
    now = until
  }

  return { ...clock, advance }
}

export type ManualClock = ReturnType<typeof createManualClock>
