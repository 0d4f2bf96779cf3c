import { type By, ParleyError, type Permissions, permissionFlags } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { type Audit, recordThenAct } from '../../pipeline/audit.ts'
import type { Fired } from '../../pipeline/background/timers.ts'
import type { Who } from './keys/agent-keys.ts'
import type { AgentDocument, Model } from './model.ts'

export interface Grants {
  agent_id: string
  permissions: Permissions
  version: number
  granted_by: By
}

/** How an agent's own flags reach its rooms: as an event in every open contract that it provides for. */
export interface GrantsTeller {
  /** Calls `settle` then, on whatever node lives by that time. */
  lookAt(agent_id: string, due_ms: number): Promise<void>
  tell(grants: Grants): Promise<void>
  settled(agent_id: string): Promise<void>
}

const TELL_AGAIN_MS = 5_000
const MOST_TRIES = 20

/** What an agent may do at most. Changed in one conditional update, then told to every room; what a crash leaves untold, a timer tells. */
export function createGrants({
  model: { agents },
  teller,
  clock,
  audit,
  onTrouble,
}: {
  model: Model
  teller: GrantsTeller
  clock: Clock
  audit: Audit
  onTrouble(what: string, cause: unknown): void
}) {
  async function change(
    id: string,
    patch: Partial<Permissions>,
    { seen, who }: { seen(permissions: Permissions): void; who: Who },
  ): Promise<Permissions> {
    const draft = { type: 'agent.permissions_changed', ...who.asked, subject: { type: 'agent', id }, metadata: patch } as const
    const agent = await recordThenAct(audit, draft, async () => {
      await teller.lookAt(id, clock.now() + TELL_AGAIN_MS)
      return update(id, patch, { seen, by: who.by })
    })
    // It holds, whatever comes now: who cannot be told at once is told by the timer.
    await tell(agent).catch((cause: unknown) => onTrouble('the permissions of an agent were not told', cause))
    return agent.permissions
  }

  async function update(
    id: string,
    patch: Partial<Permissions>,
    { seen, by }: { seen(permissions: Permissions): void; by: By },
  ): Promise<AgentDocument> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const agent = await agents.findOne({ _id: id })
      if (agent === null) throw new ParleyError('NOT_FOUND')
      seen(agent.permissions)
      const at = new Date(clock.now())
      const changed_flags = permissionFlags.filter((flag) => (patch[flag] ?? agent.permissions[flag]) !== agent.permissions[flag])
      const granted = { ...agent.granted, ...Object.fromEntries(changed_flags.map((flag) => [flag, { by, at }])) }
      const $set = { permissions: { ...agent.permissions, ...patch }, granted_by: by, granted_at: at, granted }
      const changed = await agents.findOneAndUpdate({ _id: id, rev: agent.rev }, { $set, $inc: { rev: 1 } }, { returnDocument: 'after' })
      if (changed !== null) return changed
    }
    throw new ParleyError('OVERLOADED', { detail: 'The agent is changed too often at once' })
  }

  async function tell({ _id, permissions, rev, granted_by }: AgentDocument): Promise<void> {
    await teller.tell({ agent_id: _id, permissions, version: rev, granted_by: granted_by ?? { kind: 'system', id: 'system' } })
    await agents.updateOne({ _id }, { $max: { grants_told: rev } })
    await teller.settled(_id)
  }

  async function settle(agent_id: string): Promise<Fired> {
    const agent = await agents.findOne({ _id: agent_id })
    if (agent?.granted_by !== undefined && (agent.grants_told ?? 0) < agent.rev) await tell(agent)
    return { done: true }
  }

  /** The agent's flags as they are now; undefined for a human. */
  async function of(id: string): Promise<Omit<Grants, 'agent_id'> | undefined> {
    const agent = await agents.findOne({ _id: id })
    if (agent === null) return undefined
    return { permissions: agent.permissions, version: agent.rev, granted_by: agent.granted_by ?? { kind: 'system', id: 'system' } }
  }

  return { change, settle, of }
}
