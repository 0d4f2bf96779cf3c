import mongoose, { type Connection } from 'mongoose'
import { v7 as uuidv7 } from 'uuid'
import { endDeadWrites } from './end-dead-writes.ts'

export interface Database {
  connection: Connection
  kind: 'embedded' | 'mongodb'
  /** Whether it answers now. */
  ping(): Promise<boolean>
}

// A database that is down is told to the sender within seconds; the driver itself goes on trying.
// The monitor looks often, so that what waits for a server does not wait long once it is back.
const TIMEOUTS = {
  ...{ serverSelectionTimeoutMS: 3_000, connectTimeoutMS: 3_000, socketTimeoutMS: 20_000 },
  ...{ heartbeatFrequencyMS: 500, minHeartbeatFrequencyMS: 500 },
}
// Whatever the URI says: what is decided rests on what was written last, and what was answered must outlive a fail-over. Many a URI is copied
// from an application that may read a little late, from a secondary, or lose a write.
const GUARANTEES = { readPreference: 'primary', w: 'majority', journal: true } as const
const PING_MS = 2_000

/** Connects mongoose; every store of the hub goes over this one connection. */
export async function connectDatabase(uri: string, { kind, name }: { kind: Database['kind']; name?: string }): Promise<Database> {
  const options = {
    ...TIMEOUTS,
    ...GUARANTEES,
    ignoreUndefined: true,
    autoIndex: false,
    autoCreate: false,
    retryWrites: false,
    ...(name === undefined ? {} : { dbName: name }),
  }
  endDeadWrites()
  const connection = await mongoose.createConnection(uri, options).asPromise()
  return {
    connection,
    kind,
    ping: async () => {
      try {
        await connection.db?.command({ ping: 1 }, { signal: AbortSignal.timeout(PING_MS) })
        return true
      } catch {
        // Not answering is the answer.
        return false
      }
    },
  }
}

interface MetaDocument {
  _id: string
  value: string
}

/** The log's identity: made once for a database, and new when the database is. */
export async function readEpoch(connection: Connection): Promise<string> {
  return createConstants(connection).keep('epoch', uuidv7())
}

/** What a database says of itself, by name: the first hub that asks decides it. */
export function createConstants(connection: Connection) {
  const meta = connection.collection<MetaDocument>('meta')
  const options = { upsert: true, returnDocument: 'after' } as const
  return {
    /** The value under the name: this one, if there was none. */
    async keep(_id: string, value: string): Promise<string> {
      const stored = await meta.findOneAndUpdate({ _id }, { $setOnInsert: { value } }, options).catch(() => meta.findOne({ _id }))
      if (stored === null) throw new Error(`the database did not keep '${_id}'`)
      return stored.value
    },
    find: async (_id: string): Promise<string | undefined> => (await meta.findOne({ _id }))?.value,
    async remove(_id: string): Promise<void> {
      await meta.deleteOne({ _id })
    },
  }
}
