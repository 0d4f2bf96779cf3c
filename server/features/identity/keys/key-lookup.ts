import { type BoundKey, ParleyError } from '../../../../shared/protocol/index.ts'
import { closingOf } from '../../../core/access/closing-of.ts'
import type { Principal } from '../../../core/access/principal.ts'
import type { Clock } from '../../../core/clock.ts'
import { createBatchedReads } from '../../../pipeline/store/batched-reads.ts'
import type { AgentKeyDocument, Model } from '../model.ts'
import { isOver } from './key-register.ts'

export interface FoundKey {
  ended?: ReturnType<typeof closingOf>
  expires_at_ms: number | null
}

/** So long the rooms may take to be told, before a connection is cut without that. */
const PATIENCE_MS = 15_000
const AT_ONCE = 1_000

/** What the store says of keys that were good when they were shown. */
export function createKeyLookup({ model: { agentKeys }, clock }: { model: Model; clock: Clock }) {
  /** Throws UNAUTHENTICATED for a principal whose key has ended. */
  async function requireGood({ credential }: Principal): Promise<void> {
    if (credential?.kind !== 'key') return
    const key = await readActive(credential.id)
    if (key === undefined || isOver(key, clock.now())) throw new ParleyError('UNAUTHENTICATED')
  }

  const readActive = createBatchedReads(async (ids) => {
    const rows = await agentKeys.find({ _id: { $in: ids }, status: 'active' }, { projection: { expires_at: 1 } }).toArray()
    return new Map(rows.map((key) => [key._id, key]))
  })

  async function lookUp(ids: string[]): Promise<Map<string, FoundKey>> {
    const found = new Map<string, FoundKey>()
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const slice = { _id: { $in: ids.slice(at, at + AT_ONCE) } }
      const rows = await agentKeys.find(slice, { projection: { expires_at: 1, ended: 1 } }).toArray()
      for (const row of rows) found.set(row._id, stateOf(row))
    }
    return found
  }

  /** An end that its rooms are being told of cuts by its events, so that everybody gets the last one. */
  function stateOf({ expires_at, ended }: AgentKeyDocument): FoundKey {
    const expires_at_ms = expires_at?.getTime() ?? null
    const isCut = ended !== undefined && (ended.told_at !== undefined || clock.now() - ended.at.getTime() >= PATIENCE_MS)
    return isCut ? { ended: closingOf(ended.reason), expires_at_ms } : { expires_at_ms }
  }

  /** The keys of some agents that ended lately: a room which was opened meanwhile may not have been told. */
  async function endedSince(agent_ids: string[], since_ms: number) {
    const rows = await agentKeys.find({ agent_id: { $in: agent_ids }, 'ended.at': { $gte: new Date(since_ms) } }).toArray()
    return rows.map(({ _id, agent_id, ended }) => ({ key_id: _id, agent_id, reason: ended?.reason ?? ('revoked' as const) }))
  }

  /** What bounds the keys of an agent that are good now, oldest first. */
  async function boundsOf(agent_id: string): Promise<BoundKey[]> {
    const rows = await agentKeys.find({ agent_id, status: 'active' }).sort({ created_at: 1, _id: 1 }).toArray()
    return rows.filter((row) => !isOver(row, clock.now())).map(boundKey)
  }

  return { requireGood, lookUp, endedSince, boundsOf }
}

function boundKey({ _id, created_at, expires_at, profile }: AgentKeyDocument): BoundKey {
  const about = { key_id: _id, issued_at: created_at.toISOString(), expires_at: expires_at?.toISOString() ?? null }
  if (profile === undefined) return { ...about, profile: null }
  const { allowed_agents, ...bounds } = profile
  return { ...about, profile: { ...bounds, ...(allowed_agents ? { allowed_agents_count: allowed_agents.length } : {}) } }
}

export type KeyLookup = ReturnType<typeof createKeyLookup>
