import type { Connection } from 'mongoose'
import type { Clock } from './core/clock.ts'
import { system } from './core/principal.ts'
import { type AuditWriter, auditRoutes, createAuditModels, createOwnStream } from './features/audit/index.ts'
import type { EventStore } from './pipeline/event-store.ts'
import type { Log } from './pipeline/log.ts'
import { version } from './version.ts'

export interface AuditDeps {
  connection: Connection
  clock: Clock
  log: Log
  store: EventStore
  writer: AuditWriter
  /** Names this hub as long as it lives, and after a restart the same. */
  owner: string
  onTrouble(what: string, cause: unknown): void
}

/** The audit trail upon the log: where this hub writes to, and what reads it. */
export function composeAudit({ connection, clock, log, store, writer, owner, onTrouble }: AuditDeps) {
  const models = createAuditModels(connection)
  const ownStream = createOwnStream({ models, clock, owner, onTrouble })

  function note(type: 'hub.started' | 'hub.closed'): void {
    const hub = { type: 'hub', id: ownStream.name() }
    writer.record({ type, actor: { type: 'system', id: system.id }, subject: hub, metadata: { version, pid: process.pid } })
  }

  return {
    routes: auditRoutes({ store }),
    async start(): Promise<void> {
      await ownStream.start()
      writer.open({ stream: ownStream.name, submit: log.submit })
      note('hub.started')
    },
    async close(): Promise<void> {
      note('hub.closed')
      await writer.close()
      await log.flush()
      await ownStream.close()
    },
  }
}
