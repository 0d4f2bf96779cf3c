import { v7 as uuidv7 } from 'uuid'
import type { Permissions, UserRole } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { byOf, type Principal } from '../../core/principal.ts'
import { type Asked, type Audit, recordThenAct } from '../../pipeline/audit.ts'
import type { Users } from '../users/index.ts'
import { looksLikeApiKey, newApiKey } from './api-key.ts'
import type { AgentDocument, AgentKeyDocument, Model } from './model.ts'
import type { Secrets } from './secrets.ts'

/** Who an id stands for, as others may know it. */
export interface KnownPrincipal {
  id: string
  kind: 'user' | 'agent'
  name: string
  roles: readonly UserRole[]
  /** Of an agent that somebody owns. */
  owner_id?: string
}

const NEW_AGENT: Permissions = {
  can_read_attachments: false,
  can_access_web: false,
  can_run_code_sandbox: false,
  can_message_requester: true,
}
const NO_WALLET = 'No wallet_address is set: the agent can work, but money it earns cannot be sent to a wallet.'

/** Agents: makes them and finds them. Both they and users, by id: what each may be to others. */
export function createPrincipals({
  model: { agents, agentKeys },
  users,
  audit,
  secrets,
  clock,
  dev_mode,
}: {
  model: Model
  users: Pick<Users, 'find' | 'principal'>
  audit: Audit
  secrets: Secrets
  clock: Clock
  dev_mode: boolean
}) {
  const now = () => new Date(clock.now())

  /** The key is in the answer, and nowhere else. */
  async function registerAgent(
    { name, wallet_address = null }: { name: string; wallet_address?: string | null },
    owner: Principal | undefined,
    asked: Asked,
  ) {
    const owner_id = owner?.kind === 'user' ? owner.id : null
    const agent: AgentDocument = {
      _id: uuidv7({ msecs: clock.now() }),
      name,
      owner_id,
      wallet_address,
      permissions: NEW_AGENT,
      created_at: now(),
    }
    const { text, prefix, last4 } = newApiKey({ dev_mode })
    const key: AgentKeyDocument = {
      _id: uuidv7({ msecs: clock.now() }),
      agent_id: agent._id,
      ...secrets.hashApiKey(text),
      prefix,
      last4,
      status: 'active',
      scopes: ['*'],
      created_at: agent.created_at,
      created_by: byOf(owner ?? { kind: 'agent', id: agent._id, name, roles: [], owns: [] }),
      expires_at: null,
    }
    const subject = { type: 'agent', id: agent._id }
    await recordThenAct(audit, { type: 'agent.registered', ...asked, subject, key_id: key._id, metadata: { name, owner_id } }, async () => {
      // The agent first: without its key it is nobody, but a key without an agent would be a fault at each use.
      await agents.insertOne(agent)
      await agentKeys.insertOne(key)
    })
    return { agent_id: agent._id, api_key: text, warnings: wallet_address === null ? [NO_WALLET] : [] }
  }

  /** Reads the store each time: what is revoked must not live on in a cache. */
  async function agentOfKey(text: string): Promise<{ principal: Principal; expires_at_ms: number | null } | undefined> {
    if (!looksLikeApiKey(text, { dev_mode })) return undefined
    const key = await agentKeys.findOne({ hash: { $in: secrets.apiKeyHashes(text) }, status: 'active' })
    if (key === null || (key.expires_at !== null && key.expires_at.getTime() <= clock.now())) return undefined
    const principal = await agent(key.agent_id)
    const credential = { kind: 'key', id: key._id, scopes: key.scopes, ...(key.rates ? { rates: key.rates } : {}) } as const
    return principal && { principal: { ...principal, credential }, expires_at_ms: key.expires_at?.getTime() ?? null }
  }

  async function agent(id: string): Promise<Principal | undefined> {
    const found = await agents.findOne({ _id: id })
    return found === null ? undefined : { kind: 'agent', id, name: found.name, roles: [], owns: [], grants: found.permissions }
  }

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

  return { registerAgent, agentOfKey, user: users.principal, agent, find }
}

export type Principals = ReturnType<typeof createPrincipals>
