import type { Clock } from '../../core/clock.ts'

/** Many of one kind, as one. */
export interface Counted<T> {
  item: T
  count: number
  first_ms: number
}

interface Window<T> extends Counted<T> {
  length_ms: number
  cancel(): void
}

const FIRST_WINDOW_MS = 60_000
const LONGEST_WINDOW_MS = 3_600_000

/**
 * The first of a kind is told at once. What follows within a window is counted and told at its end as one, and as long as it goes on each
 * window is twice as long as the one before: nobody can flood whoever is told, and nothing is left out of the count.
 */
export function createCountingWindows<T>({ clock, tell }: { clock: Clock; tell(counted: Counted<T>): void }) {
  const windows = new Map<string, Window<T>>()

  /** `fold` makes what is told of what is known of the kind. */
  function take(kind: string, fold: (known: T | undefined) => T): void {
    const known = windows.get(kind)
    if (known === undefined) {
      const item = fold(undefined)
      tell({ item, count: 1, first_ms: clock.now() })
      open(kind, item, FIRST_WINDOW_MS)
      return
    }
    if (known.count === 0) known.first_ms = clock.now()
    known.item = fold(known.item)
    known.count += 1
  }

  function open(kind: string, item: T, length_ms: number): void {
    const cancel = clock.after(length_ms, () => end(kind))
    windows.set(kind, { item, count: 0, first_ms: clock.now(), length_ms, cancel })
  }

  function end(kind: string): void {
    const window = windows.get(kind)
    windows.delete(kind)
    if (window === undefined || window.count === 0) return
    tell(window)
    open(kind, window.item, Math.min(window.length_ms * 2, LONGEST_WINDOW_MS))
  }

  /** Tells what was counted so far: the hub closes. */
  function flush(): void {
    for (const [kind, window] of windows) {
      window.cancel()
      windows.delete(kind)
      if (window.count > 0) tell(window)
    }
  }

  return { take, flush, has: (kind: string) => windows.has(kind), size: () => windows.size }
}
