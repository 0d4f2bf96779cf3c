import type { Connection } from 'mongoose'
import { Umzug } from 'umzug'
import { isDuplicateKey } from '../core/duplicate-key.ts'
import { firstIndexes } from './migrations/0001-first-indexes.ts'
import { rateLimits } from './migrations/0002-rate-limits.ts'
import { agentKeys } from './migrations/0003-agent-keys.ts'
import { auditFacets } from './migrations/0004-audit-facets.ts'
import { idempotency } from './migrations/0005-idempotency.ts'
import { userSessions } from './migrations/0006-user-sessions.ts'
import { agentSessions } from './migrations/0007-agent-sessions.ts'
import { deadLetters } from './migrations/0008-dead-letters.ts'
import { roomActivity } from './migrations/0009-room-activity.ts'

/** One step of the schema. Idempotent: a crash in the middle runs it again. */
export interface Migration {
  name: string
  up(connection: Connection): Promise<void>
}

const migrations: readonly Migration[] = [
  firstIndexes,
  rateLimits,
  agentKeys,
  auditFacets,
  idempotency,
  userSessions,
  agentSessions,
  deadLetters,
  roomActivity,
]

interface AppliedDocument {
  _id: string
  applied_at: Date
}

interface LockDocument {
  _id: string
  owner: string
  until: Date
}

const LOCK_MS = 60_000
const ASK_AGAIN_MS = 200

/** Brings the schema up to date, one hub at a time; the others wait. Answers what it applied. */
export async function migrate(connection: Connection, owner: string): Promise<string[]> {
  const applied = connection.collection<AppliedDocument>('migrations')
  const umzug = new Umzug({
    migrations: migrations.map(({ name, up }) => ({ name, up: () => up(connection) })),
    storage: {
      executed: async () => (await applied.find().toArray()).map(({ _id }) => _id),
      logMigration: async ({ name }) => {
        await applied.updateOne({ _id: name }, { $setOnInsert: { applied_at: new Date() } }, { upsert: true })
      },
      unlogMigration: async ({ name }) => {
        await applied.deleteOne({ _id: name })
      },
    },
    logger: undefined,
  })
  if ((await umzug.pending()).length === 0) return []
  const release = await lock(connection, owner)
  try {
    return (await umzug.up()).map(({ name }) => name)
  } finally {
    await release()
  }
}

/** A lock that ends by itself, for its holder may be killed. */
async function lock(connection: Connection, owner: string): Promise<() => Promise<void>> {
  const locks = connection.collection<LockDocument>('locks')
  const _id = 'migrations'
  for (;;) {
    const until = new Date(Date.now() + LOCK_MS)
    const taken = await locks
      .updateOne({ _id, until: { $lte: new Date() } }, { $set: { owner, until } }, { upsert: true })
      .catch((error: unknown) => {
        // The row is there and still valid, so the upsert meets its own _id: someone else holds the lock.
        if (!isDuplicateKey(error)) throw error
        return undefined
      })
    if (taken !== undefined) return async () => void (await locks.deleteOne({ _id, owner }))
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
  }
}
