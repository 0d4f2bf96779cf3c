import type { KeyObject } from 'node:crypto'
import type { Connection } from 'mongoose'
import { type AuditEventDraft, type Checkpoint, type EventType, type LogDraft, trailEvents } from '../../shared/protocol/index.ts'
import { isStaffMember, type Principal, system } from '../core/access/principal.ts'
import type { Clock } from '../core/clock.ts'
import type { CheckpointKeys } from '../core/secrets/checkpoint-keys.ts'
import { facetsOfAudit } from '../core/words/facets.ts'
import {
  type AuditFilters,
  type AuditWriter,
  auditRoutes,
  createAuditModels,
  createCheckpointer,
  createFollowTrail,
  createOwnStream,
  createReadItems,
  createRingHubs,
  createTellContradicted,
  createThinCheckpoints,
  createTrailReader,
  isAuditStream,
  type OtherHub,
  refuseUnlessReader,
} from '../features/audit/index.ts'
import type { Identity } from '../features/identity/index.ts'
import type { Log } from '../pipeline/log/log.ts'
import type { Peers } from '../pipeline/peers.ts'
import { audienceOf } from '../pipeline/session.ts'
import type { EventDocument, EventStore, StoredEvent } from '../pipeline/store/event-store.ts'
import { createSnapshotStore } from '../pipeline/store/snapshot-store.ts'
import { createVerifyStream } from '../pipeline/store/verify-stream.ts'
import { version } from '../version.ts'
import { audienceOfDraft } from './annotate.ts'

export interface AuditDeps {
  connection: Connection
  clock: Clock
  /** Asked for when it is used: the log tells the trail, and the trail writes to the log. */
  log(): Log
  store: EventStore
  writer: AuditWriter
  keys: CheckpointKeys
  /** Seals the folded rooms that are kept in the database. */
  snapshotKey: KeyObject
  peers: Peers
  identity: Pick<Identity, 'lookUp' | 'principals'>
  /** Names this hub as long as it lives, and after a restart the same. */
  owner: string
  operator_mark: string
  onCheckpoint(checkpoint: Checkpoint): void
  /** Another hub works on this database. */
  onOther(other: OtherHub): void
  onTrouble(what: string, cause: unknown): void
}

/** The audit trail upon the log: where this hub writes to, what signs the logs, and what reads and checks them. */
export function composeAudit(deps: AuditDeps) {
  const { connection, clock, log, store, writer, keys, owner, operator_mark, peers, identity, onCheckpoint, onOther, onTrouble } = deps
  const models = createAuditModels(connection)
  const ownStream = createOwnStream({ models, clock, owner, operator_mark, onOther, onTrouble })
  const tellContradicted = createTellContradicted(writer)
  const checkpointer = createCheckpointer({ models, keys, store, tellContradicted, clock, announce: onCheckpoint, onTrouble })
  const thinCheckpoints = createThinCheckpoints({ models, store, isSigned: keys.isSigned, tellContradicted, clock, onTrouble })
  const verifyStream = createVerifyStream({
    ...{ store, checkpoints: checkpointer, isBeside },
    knownHead: (stream) => log().cached(stream)?.head ?? 0,
  })
  const readItems = createReadItems(store)
  const reader = createTrailReader({ store, readItems, models, clock })
  const followTrail = createFollowTrail({ reader, clock, peers, onTrouble, standing })
  const ringHubs = createRingHubs(() => peers.tell(audienceOf.trail, { kind: 'trail' }))

  /** As the store has it: what a connection was opened with may not hold any more. */
  async function standing(principal: Principal, filters: AuditFilters) {
    const { agent_id } = filters
    const [found, known] = await Promise.all([
      identity.lookUp([principal]),
      agent_id === undefined || isStaffMember(principal) ? undefined : identity.principals.find([agent_id]),
    ])
    const isOwn = agent_id !== undefined && known?.get(agent_id)?.owner_id === principal.id
    const owns = [...principal.owns.filter((id) => id !== agent_id), ...(isOwn ? [agent_id] : [])]
    const { ended } = found.get(principal.credential?.id ?? '') ?? {}
    if (ended === undefined) refuseUnlessReader({ ...principal, owns }, filters, 'FRAME_INVALID')
    return ended === undefined ? {} : { ended }
  }

  /** What is kept of a room is not what a hub sealed: it was put there, or changed, beside the hub. */
  function snapshotRefused({ stream, seq }: { stream: string; seq: number }): void {
    const actor = { type: 'system' as const, id: system.id }
    writer.record({ type: 'snapshot.refused', actor, subject: { type: 'log', id: stream }, metadata: { seq } })
  }

  function note(type: 'hub.started' | 'hub.closed'): void {
    const hub = { type: 'hub', id: ownStream.name() }
    writer.record({ type, actor: { type: 'system', id: system.id }, subject: hub, metadata: { version, pid: process.pid } })
  }

  return {
    routes: auditRoutes({
      ...{ store, readItems, models, audit: writer, keys: keys.keys, verifyStream, standing },
      ...{ readCheckpoints: checkpointer.read, keepForExport: checkpointer.keepForExport },
    }),
    verifyStream,
    snapshots: createSnapshotStore({ connection, key: deps.snapshotKey, onRefused: snapshotRefused }),
    readCheckpoints: checkpointer.read,
    /** For every commit of this hub, of rooms and of the trail. */
    committed(stream: string, news: readonly StoredEvent[]): void {
      const last = news.at(-1)
      if (last?.mine) checkpointer.note(stream, { seq: last.seq, chain: last.chain })
      if (!isAuditStream(stream) && !news.some(({ event }) => isOfTheTrail(event.type))) return
      followTrail.wake()
      if (last?.mine) ringHubs.wake()
    },
    commands: followTrail.commands,
    /** Another hub has written to the trail. */
    heard: followTrail.wake,
    /** Now and then: what nobody told. */
    sweep: followTrail.sweep,
    async start(): Promise<void> {
      await ownStream.start()
      writer.open({ stream: ownStream.name, submit: log().submit })
      note('hub.started')
      checkpointer.start()
      thinCheckpoints.start()
    },
    async close(): Promise<void> {
      ringHubs.close()
      await thinCheckpoints.close()
      await followTrail.close()
      await checkpointer.lastLook()
      note('hub.closed')
      await writer.close()
      await log().flush()
      await checkpointer.close()
      await ownStream.close()
    },
  }
}

function isOfTheTrail(type: EventType): boolean {
  return Object.hasOwn(trailEvents, type)
}

/** Who may read it, and what a search of the trail goes by, is no part of the text: it must still be what the text says. */
function isBeside({ stream, json, audience, facets = [] }: EventDocument): boolean {
  const told: LogDraft = JSON.parse(json)
  if (audience !== audienceOfDraft(told)) return false
  if (!isAuditStream(stream)) return true
  const wanted = new Set(facetsOfAudit(told as AuditEventDraft))
  return facets.length === wanted.size && facets.every((facet) => wanted.has(facet))
}
