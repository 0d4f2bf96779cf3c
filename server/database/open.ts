import { connectDatabase, type Database } from './connect.ts'
import { settleCopy } from './copy-mark.ts'
import { superviseEmbedded } from './embedded/process/supervise.ts'
import { refusedUri } from './refused-uri.ts'

export interface OpenDatabase extends Database {
  close(): Promise<void>
}

export interface DatabaseChoice {
  /** A server that the user runs; without it, the embedded one in the data directory. */
  uri: string | undefined
  directory: string
  /** The database's name on a server; the URI's own when not set. */
  name?: string
  onTrouble(what: string, cause: unknown): void
}

/** One code path whatever the server is: `MONGODB_URI` alone chooses. */
export async function openDatabase({ uri, directory, name, onTrouble }: DatabaseChoice): Promise<OpenDatabase> {
  if (uri !== undefined) {
    const database = await connectGiven(uri, name)
    return { ...database, close: () => database.connection.destroy() }
  }
  const embedded = await superviseEmbedded({
    directory,
    onRestart: ({ pid, attempts }) => onTrouble('the embedded database died and was started again', { pid, attempts }),
    onFailure: ({ error }) => onTrouble('the embedded database died and does not start', error),
  })
  const database = await connectDatabase(embedded.uri, { kind: 'embedded', name: name ?? 'parley' })
  const close = async () => {
    await database.connection.destroy()
    await embedded.stop()
  }
  try {
    await settleCopy(directory, database.connection.collection('meta'))
  } catch (cause) {
    await close()
    throw cause
  }
  return { ...database, close }
}

/** Asks for something at once: a server that wants a password says so only then. */
async function connectGiven(uri: string, name: string | undefined): Promise<Database> {
  let database: Database | undefined
  try {
    database = await connectDatabase(uri, { kind: 'mongodb', ...(name === undefined ? {} : { name }) })
    await database.connection.listCollections()
    return database
  } catch (cause) {
    await database?.connection.destroy()
    throw refusedUri(uri, cause)
  }
}
