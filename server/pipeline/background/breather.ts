/** A few milliseconds of reading texts, on a slow machine too. */
const BREATH_BYTES = 65_536

/**
 * Long work in small pieces: told how many bytes were looked at, it answers a promise whenever it is time to let everyone else have their
 * turn of the event loop. Counted in bytes, not in time, so that it does the same everywhere.
 */
export function createBreather(): (bytes: number) => Promise<void> | undefined {
  let since = 0
  return (bytes) => {
    since += bytes
    if (since < BREATH_BYTES) return undefined
    since = 0
    return new Promise((resolve) => setImmediate(resolve))
  }
}
