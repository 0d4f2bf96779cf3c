import { toError } from '../refused-error.ts'
import type { Unsubscribe } from '../types.ts'

export interface Emitter<Events> {
  /** The new listener is told the `past` first, as soon as its caller is done. */
  on<E extends keyof Events>(name: E, listener: (value: Events[E]) => void, past?: readonly Events[E][]): Unsubscribe
  emit<E extends keyof Events>(name: E, value: Events[E]): void
  listens(name: keyof Events): boolean
}

/** Calls listeners in the order in which they were added. One that throws stops neither the others nor the caller: `onFault` is told. */
export function createEmitter<Events>(onFault: (error: Error) => void): Emitter<Events> {
  const listeners = new Map<keyof Events, Set<(value: never) => void>>()
  /** Under each name stand only listeners of this name's value. */
  function tell(listener: (value: never) => void, value: unknown): void {
    try {
      listener(value as never)
    } catch (thrown) {
      onFault(toError(thrown))
    }
  }

  return {
    on(name, listener, past = []) {
      // A wrapper, so that the same function may listen twice and be removed once.
      const entry = (value: never) => listener(value)
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(entry))
      queueMicrotask(() => {
        for (const value of past) if (set.has(entry)) tell(entry, value)
      })
      return () => void set.delete(entry)
    },
    emit(name, value) {
      for (const listener of listeners.get(name) ?? []) tell(listener, value)
    },
    listens: (name) => (listeners.get(name)?.size ?? 0) > 0,
  }
}
