import type { UserRole } from '../../../shared/protocol/index.ts'
import { endedKeyShown } from '../../core/access/ended-key.ts'
import type { Principal } from '../../core/access/principal.ts'
import { createBatchedReads } from '../../pipeline/store/batched-reads.ts'
import type { Users } from '../users/index.ts'
import type { AgentKeys } from './keys/agent-keys.ts'
import type { AgentDocument, AgentKeyDocument, Model } from './model.ts'

/** Who an id stands for, as others may know it. */
export interface KnownPrincipal {
  id: string
  kind: 'user' | 'agent'
  name: string
  roles: readonly UserRole[]
  /** Of an agent that somebody owns. */
  owner_id?: string
}

/** Throws for a principal that is not wanted, whatever it has proven. */
export type Accept = (principal: Principal) => void

/** Agents and users, by id or by what they show: what each may be to others. */
export function createPrincipals({
  model: { agents },
  users,
  keys,
}: {
  model: Model
  users: Pick<Users, 'find'>
  keys: Pick<AgentKeys, 'use' | 'ended'>
}) {
  /** Throws for a key that has ended, and what `accept` throws, for then the key was not used; undefined for what is no key at all. */
  async function agentOfKey(text: string, accept?: Accept): Promise<{ principal: Principal; expires_at_ms: number | null } | undefined> {
    let principal: Principal | undefined
    const key = await keys.use(text, async (shown) => {
      const found = await agent(shown.agent_id)
      principal = found && { ...found, credential: { kind: 'key', id: shown._id, scopes: shown.scopes, ...boundsOf(shown) } }
      if (principal !== undefined) accept?.(principal)
    })
    const ended = key === undefined ? await keys.ended(text) : undefined
    if (ended !== undefined) throw endedKeyShown(ended)
    if (key === undefined || principal === undefined) return undefined
    return { principal, expires_at_ms: key.expires_at?.getTime() ?? null }
  }

  async function agent(id: string): Promise<Principal | undefined> {
    const found = await readAgent(id)
    return found && principalOf(found)
  }

  const readAgent = createBatchedReads(async (ids) => {
    const rows = await agents.find({ _id: { $in: ids } }).toArray()
    return new Map(rows.map((found) => [found._id, found]))
  })

  /** Those of the ids that are users or agents. */
  async function find(ids: string[]): Promise<Map<string, KnownPrincipal>> {
    const wanted = [...new Set(ids)]
    const [foundUsers, foundAgents] = await Promise.all([users.find(wanted), agents.find({ _id: { $in: wanted } }).toArray()])
    const known: KnownPrincipal[] = [
      ...foundUsers,
      ...foundAgents.map(({ _id, name, owner_id }) => {
        const itself = { id: _id, kind: 'agent' as const, name, roles: [] }
        return owner_id === null ? itself : { ...itself, owner_id }
      }),
    ]
    return new Map(known.map((principal) => [principal.id, principal]))
  }

  return { agentOfKey, agent, find }
}

export type Principals = ReturnType<typeof createPrincipals>

function principalOf({ _id, name, permissions }: AgentDocument): Principal {
  return { kind: 'agent', id: _id, name, roles: [], owns: [], grants: permissions }
}

function boundsOf({ rates, counted_as, family_id, profile }: AgentKeyDocument) {
  return { counted_as: counted_as ?? family_id, ...(rates ? { rates } : {}), ...(profile ? { profile } : {}) }
}
