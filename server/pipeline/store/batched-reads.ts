interface Batch<T> {
  keys: Set<string>
  found: Promise<ReadonlyMap<string, T>>
  resolve(found: Promise<ReadonlyMap<string, T>>): void
}

/**
 * Reads of many things by many at once, as one read of them all: those who ask in one turn of the event loop share one, and those who ask
 * while it is under way share the next. Nothing is kept: each read begins after everyone whom it answers has asked. A read that fails
 * fails for those whom it would have answered.
 */
export function createBatchedReads<T>(read: (keys: string[]) => Promise<ReadonlyMap<string, T>>): (key: string) => Promise<T | undefined> {
  let gathering: Batch<T> | undefined
  let isReading = false

  function gather(): Batch<T> {
    const { promise: found, resolve } = Promise.withResolvers<ReadonlyMap<string, T>>()
    if (!isReading) setImmediate(next)
    return { keys: new Set(), found, resolve }
  }

  function next(): void {
    const batch = gathering
    gathering = undefined
    isReading = batch !== undefined
    if (batch === undefined) return
    const found = read([...batch.keys])
    batch.resolve(found)
    found.then(next, next)
  }

  return async (key) => {
    gathering ??= gather()
    gathering.keys.add(key)
    return (await gathering.found).get(key)
  }
}
