import { v7 as uuidv7 } from 'uuid'
import { ParleyError, type Permissions, type UserRole } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { byOf, type Principal } from '../../core/principal.ts'
import { looksLikeApiKey, newApiKey } from './api-key.ts'
import { type AgentDocument, isDuplicateKey, type Model, type UserDocument } from './model.ts'
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
const OPERATOR = { name: 'Operator', email: 'operator@parley.invalid', roles: ['admin'] } satisfies Partial<UserDocument>
const OPERATOR_TRIES = 5
const NO_WALLET = 'No wallet_address is set: the agent can work, but money it earns cannot be sent to a wallet.'

/** Users and agents: makes them, finds them, and says what each may be to others. */
export function createPrincipals({
  model: { users, agents, agentKeys },
  secrets,
  clock,
  dev_mode,
}: {
  model: Model
  secrets: Secrets
  clock: Clock
  dev_mode: boolean
}) {
  let operator_id: string | undefined

  const now = () => new Date(clock.now())

  /** The key is in the answer, and nowhere else. */
  async function registerAgent(
    { name, wallet_address = null }: { name: string; wallet_address?: string | null },
    owner: Principal | undefined,
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
    // The agent first: without its key it is nobody, but a key without an agent would be a fault at each use.
    await agents.insertOne(agent)
    await agentKeys.insertOne({
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
    })
    return { agent_id: agent._id, api_key: text, warnings: wallet_address === null ? [NO_WALLET] : [] }
  }

  /** Reads the store each time: what is revoked must not live on in a cache. */
  async function agentOfKey(text: string): Promise<{ principal: Principal; expires_at_ms: number | null } | undefined> {
    if (!looksLikeApiKey(text, { dev_mode })) return undefined
    const key = await agentKeys.findOne({ hash: { $in: secrets.apiKeyHashes(text) }, status: 'active' })
    if (key === null || (key.expires_at !== null && key.expires_at.getTime() <= clock.now())) return undefined
    const principal = await agent(key.agent_id)
    return principal && { principal, expires_at_ms: key.expires_at?.getTime() ?? null }
  }

  async function createUser({ email, name, password, roles }: { email: string; name: string; password: string; roles: UserRole[] }) {
    const user: UserDocument = {
      _id: uuidv7({ msecs: clock.now() }),
      email: email.toLowerCase(),
      name,
      roles: [...new Set(roles)],
      created_at: now(),
      password_hash: await secrets.hashPassword(password),
    }
    try {
      await users.insertOne(user)
    } catch (cause) {
      if (!isDuplicateKey(cause)) throw cause
      throw new ParleyError('ALREADY_EXISTS', { errors: [{ pointer: '/email', detail: 'a user has this address' }] }, { cause })
    }
    return { user_id: user._id }
  }

  /** Makes the operator's user if there is none. Of several hubs that start at once, one makes it and all find it. */
  async function ensureOperator(tries = OPERATOR_TRIES): Promise<void> {
    if ((await users.findOne({ built_in: 'operator' })) !== null) return
    try {
      await users.insertOne({ _id: uuidv7({ msecs: clock.now() }), ...OPERATOR, created_at: now(), built_in: 'operator' })
    } catch (cause) {
      // Another hub was first, and the store says so as a duplicate, or (FerretDB) as a deadlock: look again.
      if (tries <= 1) throw cause
      await ensureOperator(tries - 1)
    }
  }

  async function operator(): Promise<Principal> {
    operator_id ??= (await users.findOne({ built_in: 'operator' }))?._id
    const principal = operator_id === undefined ? undefined : await user(operator_id)
    if (principal === undefined) throw new Error('the operator has no user: identity was not started')
    return principal
  }

  async function user(id: string): Promise<Principal | undefined> {
    const owned = agents.find({ owner_id: id }, { projection: { _id: 1 } }).toArray()
    const [found, own] = await Promise.all([users.findOne({ _id: id }), owned])
    return found === null ? undefined : { kind: 'user', id, name: found.name, roles: found.roles, owns: own.map(({ _id }) => _id) }
  }

  async function agent(id: string): Promise<Principal | undefined> {
    const found = await agents.findOne({ _id: id })
    return found === null ? undefined : { kind: 'agent', id, name: found.name, roles: [], owns: [], grants: found.permissions }
  }

  /** Those of the ids that are users or agents. */
  async function find(ids: string[]): Promise<Map<string, KnownPrincipal>> {
    const wanted = { _id: { $in: [...new Set(ids)] } }
    const [foundUsers, foundAgents] = await Promise.all([users.find(wanted).toArray(), agents.find(wanted).toArray()])
    const known: KnownPrincipal[] = [
      ...foundUsers.map(({ _id, name, roles }) => ({ id: _id, kind: 'user' as const, name, roles })),
      ...foundAgents.map(({ _id, name, owner_id }) => {
        const itself = { id: _id, kind: 'agent' as const, name, roles: [] }
        return owner_id === null ? itself : { ...itself, owner_id }
      }),
    ]
    return new Map(known.map((principal) => [principal.id, principal]))
  }

  return { registerAgent, agentOfKey, createUser, ensureOperator, operator, user, agent, find }
}

export type Principals = ReturnType<typeof createPrincipals>
