import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmbeddedServer } from '../../server/database/embedded/wire/server.ts'

export type TestServer = { uri: string; directory: string; stop(): Promise<void> }

/** An embedded database inside the test's own process: the same wire and code, nothing synced. */
export async function startTestServer(): Promise<TestServer> {
  const directory = temporaryDirectory()
  const server = await createEmbeddedServer({
    socketPath: join(directory, 'db.sock'),
    storage: { path: join(directory, 'store.mdb'), mode: 'memory' },
  })
  return {
    uri: server.uri,
    directory,
    async stop() {
      await server.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'parley-db-'))
}
