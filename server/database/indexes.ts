import type { Connection, mongo } from 'mongoose'

export interface IndexRow {
  collection: string
  name: string
  keys: Record<string, 1 | -1>
  unique?: boolean
  sparse?: boolean
  partial?: object
  expire_after_s?: number
}

/** Makes the indexes that are not there. Safe to repeat. */
export async function makeIndexes(connection: Connection, rows: readonly IndexRow[]): Promise<void> {
  const byCollection = Map.groupBy(rows, ({ collection }) => collection)
  for (const [collection, indexes] of byCollection) {
    await connection.collection(collection).createIndexes(indexes.map(toIndex))
  }
}

function toIndex({ name, keys, unique, sparse, partial, expire_after_s }: IndexRow): mongo.IndexDescription {
  return {
    name,
    key: keys,
    ...(unique ? { unique } : {}),
    ...(sparse ? { sparse } : {}),
    ...(partial ? { partialFilterExpression: partial } : {}),
    ...(expire_after_s === undefined ? {} : { expireAfterSeconds: expire_after_s }),
  }
}
