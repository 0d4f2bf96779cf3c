import { type By, type FlagRecords, http, type PermissionFlag } from '../../../shared/protocol/index.ts'
import { byOf, system } from '../../core/access/principal.ts'
import { hasScope } from '../../core/access/scopes.ts'
import { askedBy } from '../../pipeline/audit.ts'
import { etagOfParts, requireSeen } from '../../pipeline/http/conditional.ts'
import { pathId } from '../../pipeline/http/path-id.ts'
import { principalOf, type Route, type RouteAnswer, type RouteRequest } from '../../pipeline/http/route.ts'
import { parse } from '../../pipeline/parse.ts'
import type { Agents } from './agents.ts'
import type { createGrants } from './grants.ts'
import { type Manager, requireManager } from './manages.ts'
import type { AgentDocument } from './model.ts'

export interface GrantRouteDeps {
  agents: Agents
  grants: ReturnType<typeof createGrants>
  /** For each flag of an agent who set it, and what became of it. */
  recordsOf(subject: { type: 'agent'; id: string }, grantOf: (flag: PermissionFlag) => { by: By; at: string }): Promise<FlagRecords>
}

/** What an agent may do at most: read by itself too, and set by those who answer for it. */
export function createGrantRoutes({ agents, grants, recordsOf }: GrantRouteDeps): Route[] {
  async function enter(request: RouteRequest, allowed: readonly Manager[]) {
    const agent = await agents.find(pathId(request))
    requireManager(principalOf(request), agent._id, allowed)
    return agent
  }

  async function show(request: RouteRequest): Promise<RouteAnswer> {
    return shown(await enter(request, ['itself', 'owner', 'admin', 'staff']), request)
  }

  async function change(request: RouteRequest): Promise<RouteAnswer> {
    const { _id } = await enter(request, ['owner', 'admin', 'staff'])
    const patch = parse(http['PUT /agents/:id/permissions'].body, request.body)
    await grants.change(_id, patch, {
      seen: (permissions) => requireSeen(request.headers, permissions),
      who: { by: byOf(principalOf(request)), asked: askedBy(request) },
    })
    return shown(await agents.find(_id), request)
  }

  async function shown(agent: AgentDocument, request: RouteRequest): Promise<RouteAnswer> {
    const { _id, permissions, granted_by, granted_at } = agent
    const set = granted_by && granted_at ? { set: { by: granted_by, at: granted_at.toISOString() } } : {}
    const records = await recordsOf({ type: 'agent', id: _id }, (flag) => grantOf(agent, flag))
    const flags = hasScope(principalOf(request), 'rooms:read') ? records : withoutRooms(records)
    const body = { ...permissions, ...set, flags }
    return { status: 200, body, etag: etagOfParts({ seen: permissions, whole: body }) }
  }

  return [
    { method: 'GET', path: '/agents/:id/permissions', access: 'principal', scope: null, handle: show },
    { method: 'PUT', path: '/agents/:id/permissions', access: 'principal', scope: 'agent', handle: change },
  ]
}

/** For a key that reads no rooms, not even which there are. */
function withoutRooms(records: FlagRecords): FlagRecords {
  const of = (flag: PermissionFlag) => {
    const { last_used, last_refused, ...rest } = records[flag]
    const used = last_used && { at: last_used.at, what: last_used.what }
    const refused = last_refused && { at: last_refused.at, what: last_refused.what, denied_by: last_refused.denied_by }
    return { ...rest, last_used: used, last_refused: refused }
  }
  return {
    can_read_attachments: of('can_read_attachments'),
    can_access_web: of('can_access_web'),
    can_run_code_sandbox: of('can_run_code_sandbox'),
    can_message_requester: of('can_message_requester'),
  }
}

/** What nobody changed is as the hub gave it at the registration. */
function grantOf({ granted, granted_by, granted_at, created_at }: AgentDocument, flag: PermissionFlag): { by: By; at: string } {
  const whole = granted === undefined && granted_by && granted_at ? { by: granted_by, at: granted_at } : undefined
  const { by, at } = granted?.[flag] ?? whole ?? { by: byOf(system), at: created_at }
  return { by, at: at.toISOString() }
}
