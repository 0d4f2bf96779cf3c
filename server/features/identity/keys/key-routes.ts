import { type AgentKeyAnswer, http, type KeyHistoryAnswer, ParleyError } from '../../../../shared/protocol/index.ts'
import { byOf, type Principal } from '../../../core/access/principal.ts'
import type { Clock } from '../../../core/clock.ts'
import { askedBy } from '../../../pipeline/audit.ts'
import { listLink } from '../../../pipeline/http/list-link.ts'
import { listPage } from '../../../pipeline/http/list-page.ts'
import { pathId } from '../../../pipeline/http/path-id.ts'
import { principalOf, type Route, type RouteAnswer, type RouteRequest } from '../../../pipeline/http/route.ts'
import { parse } from '../../../pipeline/parse.ts'
import type { Agents } from '../agents.ts'
import { type Manager, requireManager } from '../manages.ts'
import type { AgentKeyDocument, Model } from '../model.ts'
import type { AgentKeys, Making, Who } from './agent-keys.ts'
import { isOver } from './key-register.ts'
import { requireNoMore, termsOf } from './key-terms.ts'
import { shownOnce } from './shown-once.ts'

export interface KeyRouteDeps {
  model: Model
  agents: Agents
  keys: AgentKeys
  clock: Clock
}

/** Who hands out what an agent may do. A reviewer does not: the key would let him act as the agent. */
const issuers: readonly Manager[] = ['itself', 'owner', 'admin']
const readers: readonly Manager[] = [...issuers, 'staff']

export function createKeyRoutes({ model, agents, keys, clock }: KeyRouteDeps): Route[] {
  async function issue(request: RouteRequest): Promise<RouteAnswer> {
    const { principal, agent } = await enter(request, issuers)
    const asked = parse(http['POST /agents/:id/keys'].body, request.body === undefined ? {} : request.body)
    const held = await heldBy(principal, agent._id)
    const terms = termsOf(asked, { issuer: principal, held, grants: agent.permissions, now_ms: clock.now() })
    return shownOnce(await keys.issue(agent._id, terms, whoOf(request), makingOf(request)))
  }

  async function rotate(request: RouteRequest): Promise<RouteAnswer> {
    const { principal, agent } = await enter(request, issuers)
    const { grace_period_s, reason } = parse(http['POST /agents/:id/keys/:key_id/rotations'].body, request.body)
    const key = await keyOf(agent._id, request)
    requireNoMore(await heldBy(principal, agent._id), key)
    return shownOnce(await keys.rotate(key, { grace_ms: grace_period_s * 1_000, reason, ...makingOf(request) }, whoOf(request)))
  }

  async function revoke(request: RouteRequest): Promise<RouteAnswer> {
    const { agent, manager } = await enter(request, readers)
    const { reason } = parse(http['DELETE /agents/:id/keys/:key_id'].query, request.query)
    const key = await keyOf(agent._id, request)
    await keys.revoke(key, { why: reason, keepsOne: manager === 'itself' }, whoOf(request))
    return { status: 204 }
  }

  async function list(request: RouteRequest): Promise<RouteAnswer> {
    const { agent } = await enter(request, readers)
    const query = parse(http['GET /agents/:id/keys'].query, request.query)
    const { rows, page } = await listPage(model.agentKeys, { filter: { agent_id: agent._id }, query, sorts: { created_at: '_id' } })
    const items = rows.map((row) => shownKey(row, clock.now()))
    return { status: 200, body: { items, ...page }, headers: listLink(request.path, query, page.next_cursor) }
  }

  async function history(request: RouteRequest): Promise<RouteAnswer> {
    const { agent } = await enter(request, readers)
    return { status: 200, body: shownHistory(await keyOf(agent._id, request)) }
  }

  async function enter(request: RouteRequest, allowed: readonly Manager[]) {
    const principal = principalOf(request)
    const agent_id = pathId(request)
    const agent = await agents.find(agent_id)
    return { principal, agent, manager: requireManager(principal, agent_id, allowed) }
  }

  async function heldBy({ credential }: Principal, agent_id: string): Promise<AgentKeyDocument | undefined> {
    return credential?.kind === 'key' ? keys.find(agent_id, credential.id) : undefined
  }

  async function keyOf(agent_id: string, request: RouteRequest): Promise<AgentKeyDocument> {
    const key = await keys.find(agent_id, pathId(request, 'key_id'))
    if (key === undefined) throw new ParleyError('NOT_FOUND')
    return key
  }

  const access = { access: 'principal', scope: 'keys' } as const
  const replay = { without: ['api_key'] } as const
  return [
    { method: 'POST', path: '/agents/:id/keys', ...access, replay, handle: issue },
    { method: 'GET', path: '/agents/:id/keys', ...access, handle: list },
    { method: 'POST', path: '/agents/:id/keys/:key_id/rotations', ...access, replay, handle: rotate },
    { method: 'DELETE', path: '/agents/:id/keys/:key_id', ...access, handle: revoke },
    { method: 'GET', path: '/agents/:id/keys/:key_id/history', ...access, handle: history },
  ]
}

function whoOf(request: RouteRequest): Who {
  return { by: byOf(principalOf(request)), asked: askedBy(request) }
}

function makingOf({ new_id, again }: RouteRequest): Making {
  return { id: new_id, again }
}

function shownKey(key: AgentKeyDocument, now_ms: number): AgentKeyAnswer {
  const { _id, name, prefix, last4, scopes, rates, profile, created_by, rotated_from, rotated_to, ended, uses } = key
  return {
    ...{ key_id: _id, name, prefix, last4, scopes, ...(rates ? { rates } : {}), ...(profile ? { profile } : {}) },
    status: isOver(key, now_ms) ? 'revoked' : key.status,
    created_at: key.created_at.toISOString(),
    created_by,
    activated_at: timeOf(key.activated_at),
    expires_at: timeOf(key.expires_at),
    last_used_at: timeOf(key.last_used_at),
    uses,
    ...(rotated_from ? { rotated_from: rotated_from.key_id } : {}),
    ...(rotated_to ? { rotated_to: rotated_to.key_id } : {}),
    ...(ended ? { ended: { at: ended.at.toISOString(), by: ended.by, reason: ended.reason } } : {}),
  }
}

function shownHistory({ _id, history, activated_at, last_used_at, uses }: AgentKeyDocument): KeyHistoryAnswer {
  const items = history.map((entry) => ({ ...entry, at: entry.at.toISOString() }))
  return { key_id: _id, items, first_used_at: timeOf(activated_at), last_used_at: timeOf(last_used_at), uses }
}

function timeOf(at: Date | null): string | null {
  return at?.toISOString() ?? null
}
