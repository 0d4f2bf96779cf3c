import { http, ParleyError } from '../../../shared/protocol/index.ts'
import { askedBy } from '../../pipeline/audit.ts'
import { etagOf, requireMatch } from '../../pipeline/http/conditional.ts'
import { listLink } from '../../pipeline/http/list-link.ts'
import { pathId } from '../../pipeline/http/path-id.ts'
import { principalOf, type Route, type RouteAnswer, type RouteRequest } from '../../pipeline/http/route.ts'
import { parse } from '../../pipeline/parse.ts'
import { type Agents, shownAgent } from './agents.ts'
import { shownOnce } from './keys/shown-once.ts'
import type { AgentDocument } from './model.ts'

export function createAgentRoutes({ agents, showsCookie }: { agents: Agents; showsCookie(header: string | undefined): boolean }): Route[] {
  async function register(request: RouteRequest): Promise<RouteAnswer> {
    const { body, principal, headers } = request
    // Who means to be the owner, and is not recognised, must not get an agent that nobody owns.
    const showsSomething = headers.authorization !== undefined || showsCookie(headers.cookie)
    if (showsSomething && principal === undefined) throw new ParleyError('UNAUTHENTICATED')
    const making = { id: request.new_id, again: request.again }
    return shownOnce(await agents.register(parse(http['POST /agents'].body, body), principal, { asked: askedBy(request), ...making }))
  }

  async function list(request: RouteRequest): Promise<RouteAnswer> {
    const query = parse(http['GET /agents'].query, request.query)
    const principal = principalOf(request)
    const { rows, page } = await agents.list(principal, query)
    const items = rows.map((agent) => shownAgent(agent, principal))
    return { status: 200, body: { items, ...page }, headers: listLink(request.path, query, page.next_cursor) }
  }

  async function show(request: RouteRequest): Promise<RouteAnswer> {
    return answer(request, await agents.find(pathId(request)))
  }

  async function update(request: RouteRequest): Promise<RouteAnswer> {
    const principal = principalOf(request)
    const agent_id = pathId(request)
    await agents.find(agent_id)
    // 403 and not 404, also for a stranger: everybody may see that the agent is there, and none but itself changes it.
    if (principal.id !== agent_id)
      throw new ParleyError('PERMISSION_DENIED', { detail: 'An agent is changed by itself only', principal_id: agent_id })
    const changes = parse(http['PATCH /agents/:id'].body, request.body)
    const seen = (agent: AgentDocument) => requireMatch(request.headers, etagOf(shownAgent(agent, principal)))
    return answer(request, await agents.update(agent_id, changes, { seen, asked: askedBy(request) }))
  }

  async function claim(request: RouteRequest): Promise<RouteAnswer> {
    const principal = principalOf(request)
    if (principal.kind !== 'user') throw new ParleyError('PERMISSION_DENIED', { detail: 'Only a person owns agents', allowed: ['user'] })
    const { api_key } = parse(http['POST /agents/:id/claim'].body, request.body)
    const claimed = await agents.claim(pathId(request), { user: principal, api_key, asked: askedBy(request) })
    return answer({ ...request, principal: { ...principal, owns: [...principal.owns, claimed._id] } }, claimed)
  }

  function answer(request: RouteRequest, agent: AgentDocument): RouteAnswer {
    const body = shownAgent(agent, principalOf(request))
    return { status: 200, body, etag: etagOf(body) }
  }

  return [
    { method: 'POST', path: '/agents', access: 'open', rate: 'register', replay: { without: ['api_key'] }, handle: register },
    { method: 'GET', path: '/agents', access: 'principal', scope: null, handle: list },
    { method: 'GET', path: '/agents/:id', access: 'principal', scope: null, handle: show },
    { method: 'PATCH', path: '/agents/:id', access: 'principal', scope: 'agent', handle: update },
    { method: 'POST', path: '/agents/:id/claim', access: 'principal', scope: 'agent', rate: 'login', handle: claim },
  ]
}
