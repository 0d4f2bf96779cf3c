import { toError } from '../refused-error.ts'
import type { Unsubscribe } from '../types.ts'

export interface Emitter<Events> {
  on<E extends keyof Events>(name: E, listener: (value: Events[E]) => void): Unsubscribe
  emit<E extends keyof Events>(name: E, value: Events[E]): void
  listens(name: keyof Events): boolean
}

/** Calls listeners in the order in which they were added. One that throws stops neither the others nor the caller: `onFault` is told. */
export function createEmitter<Events>(onFault: (error: Error) => void): Emitter<Events> {
  const listeners = new Map<keyof Events, Set<(value: never) => void>>()
  return {
    on(name, listener) {
      // A wrapper, so that the same function may listen twice and be removed once.
      const entry = (value: never) => listener(value)
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(entry))
      return () => void set.delete(entry)
    },
    emit(name, value) {
      for (const listener of listeners.get(name) ?? []) {
        try {
          // The set under this name holds only listeners of this name's value.
          listener(value as never)
        } catch (thrown) {
          onFault(toError(thrown))
        }
      }
    },
    listens: (name) => (listeners.get(name)?.size ?? 0) > 0,
  }
}
