import { hash } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { type AgentAnswer, ALL_SCOPES, ParleyError, type Permissions } from '../../../shared/protocol/index.ts'
import { byOf, isStaffMember, type Principal } from '../../core/access/principal.ts'
import { covers } from '../../core/access/scopes.ts'
import type { Clock } from '../../core/clock.ts'
import { type Asked, type Audit, recordThenAct } from '../../pipeline/audit.ts'
import { listPage, type PageQuery } from '../../pipeline/http/list-page.ts'
import type { AgentKeys, Making } from './keys/agent-keys.ts'
import { managerOf } from './manages.ts'
import type { AgentDocument, Model } from './model.ts'

const NEW_AGENT: Permissions = {
  can_read_attachments: false,
  can_access_web: false,
  can_run_code_sandbox: false,
  can_message_requester: true,
}
const NO_WALLET = 'No wallet_address is set: the agent can work, but money it earns cannot be sent to a wallet.'
const MOST_TRIES = 20

/** Agents themselves: registered by anyone, changed by themselves, claimed by whoever shows one of their keys. */
export function createAgents({ model: { agents }, keys, clock, audit }: { model: Model; keys: AgentKeys; clock: Clock; audit: Audit }) {
  /** The key is in the answer, and nowhere else. */
  async function register(
    { name, wallet_address = null }: { name: string; wallet_address?: string | null },
    owner: Principal | undefined,
    { asked, id: _id, again }: { asked: Asked } & Making,
  ) {
    const owner_id = owner?.kind === 'user' ? owner.id : null
    const by = owner === undefined ? { kind: 'agent' as const, id: _id } : byOf(owner)
    const { row, issued } = keys.make(_id, { name: null, scopes: [ALL_SCOPES], expires_at: null }, { by, asked, id: firstKeyOf(_id) })
    const about = { subject: { type: 'agent', id: _id }, key_id: row._id, metadata: { name, owner_id, ...(again ? { again } : {}) } }
    const there = await recordThenAct(audit, { type: 'agent.registered', ...asked, ...about }, async () => {
      // The agent first: without its key it is nobody, but a key without an agent would be a fault at each use.
      const $setOnInsert = {
        ...{ name, owner_id, wallet_address, permissions: NEW_AGENT, created_at: new Date(clock.now()) },
        ...{ rev: 0, live_keys: [], keys_rev: 0 },
      }
      await agents.updateOne({ _id }, { $setOnInsert }, { upsert: true })
      return keys.keep(row, { again })
    })
    const api_key = there.hash === row.hash ? { api_key: issued.api_key } : {}
    return { agent_id: _id, ...api_key, warnings: wallet_address === null ? [NO_WALLET] : [] }
  }

  async function find(id: string): Promise<AgentDocument> {
    const agent = await agents.findOne({ _id: id })
    if (agent === null) throw new ParleyError('NOT_FOUND')
    return agent
  }

  /** Those that the reader manages: of staff all, of others what they own, of an agent itself. Ids sort by the time of registration. */
  function list(reader: Principal, query: PageQuery) {
    const own = reader.kind === 'agent' ? { _id: reader.id } : { owner_id: reader.id }
    return listPage(agents, { filter: isStaffMember(reader) ? {} : own, query, sorts: { created_at: '_id' } })
  }

  /** Changes what `seen` agrees to; it is asked again when another change came first. */
  async function update(
    id: string,
    changes: Partial<Pick<AgentDocument, 'name' | 'wallet_address'>>,
    { seen, asked }: { seen: (agent: AgentDocument) => void; asked: Asked },
  ): Promise<AgentDocument> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const agent = await find(id)
      seen(agent)
      const update = { $set: changes, $inc: { rev: 1 } }
      const changed = await agents.findOneAndUpdate({ _id: id, rev: agent.rev }, update, { returnDocument: 'after' })
      if (changed === null) continue
      audit.record({ type: 'agent.updated', ...asked, subject: { type: 'agent', id }, metadata: changes })
      return changed
    }
    throw new ParleyError('OVERLOADED', { detail: 'The agent is changed too often at once' })
  }

  /** The user becomes the owner of an agent that has none, by showing a key of it. Throws ALREADY_EXISTS when another was first. */
  async function claim(id: string, { user, api_key, asked }: { user: Principal; api_key: string; asked: Asked }): Promise<AgentDocument> {
    const agent = await find(id)
    // Before it counts as used: the key of another agent, or one that may not do this, begins no grace.
    const key = await keys.use(api_key, async ({ agent_id, scopes }) => {
      if (agent_id !== id || !covers(scopes, 'agent')) throw notItsKey()
    })
    if (key === undefined) throw notItsKey()
    if (agent.owner_id === user.id) return agent
    const about = { subject: { type: 'agent', id }, key_id: key._id }
    return recordThenAct(audit, { type: 'agent.claimed', ...asked, ...about }, async () => {
      const update = { $set: { owner_id: user.id }, $inc: { rev: 1 } }
      const claimed = await agents.findOneAndUpdate({ _id: id, owner_id: null }, update, { returnDocument: 'after' })
      if (claimed === null) throw new ParleyError('ALREADY_EXISTS', { detail: 'The agent has an owner' })
      return claimed
    })
  }

  return { register, find, list, update, claim }
}

export type Agents = ReturnType<typeof createAgents>

function notItsKey(): ParleyError {
  return new ParleyError('PERMISSION_DENIED', { detail: "The key is not one of this agent with the scope 'agent'", scope: 'agent' })
}

/** Made of the agent's id and of its time, so that each try to register the agent makes the same key. */
function firstKeyOf(agent_id: string): string {
  const msecs = Number.parseInt(agent_id.replaceAll('-', '').slice(0, 12), 16)
  return uuidv7({ msecs, random: hash('sha256', `first key ${agent_id}`, 'buffer').subarray(0, 16) })
}

/** The agent as the reader may see it. */
export function shownAgent(
  { _id, name, created_at, owner_id, wallet_address, permissions }: AgentDocument,
  reader: Principal,
): AgentAnswer {
  const card = { agent_id: _id, name, created_at: created_at.toISOString() }
  return managerOf(reader, _id) === undefined ? card : { ...card, owner_id, wallet_address, permissions }
}
