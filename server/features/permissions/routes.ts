import { type BoundKey, type By, http, type PermissionFlag, type RoomView } from '../../../shared/protocol/index.ts'
import { authorize } from '../../core/access/authorize.ts'
import { inForce } from '../../core/access/permit.ts'
import { etagOfParts } from '../../pipeline/http/conditional.ts'
import { pathId } from '../../pipeline/http/path-id.ts'
import { principalOf, type Route, type RouteRequest } from '../../pipeline/http/route.ts'
import type { Log } from '../../pipeline/log/log.ts'
import { type RecordFrame, streamOf } from '../../pipeline/log/record.ts'
import { parse } from '../../pipeline/parse.ts'
import { permitContract } from './change-permissions.ts'
import type { PermissionUses } from './uses.ts'

export interface PermissionRouteDeps {
  log: Log
  record: RecordFrame
  uses: PermissionUses
  /** The good keys of an agent; none of a human. */
  keysOf(agent_id: string): Promise<BoundKey[]>
}

/** What a contract permits its provider's agent, for its parties and staff. */
export function permissionRoutes({ log, record, uses, keysOf }: PermissionRouteDeps): Route[] {
  async function enter(request: RouteRequest) {
    const contract_id = pathId(request)
    const { room } = await log.refresh(streamOf(contract_id))
    authorize(room, 'room.join', principalOf(request))
    return { contract_id, room }
  }

  async function show(request: RouteRequest) {
    const { contract_id, room } = await enter(request)
    return shown(contract_id, room)
  }

  async function change(request: RouteRequest) {
    const { contract_id } = await enter(request)
    const permissions = parse(http['PUT /contracts/:id/permissions'].body, request.body)
    const { 'if-match': if_match, 'if-none-match': if_none_match } = request.headers
    const conditions = { ...(if_match === undefined ? {} : { if_match }), ...(if_none_match === undefined ? {} : { if_none_match }) }
    const frame = { contract_id, permissions, request_id: request.new_id, ...conditions }
    await record(permitContract, frame, principalOf(request))
    const { room } = await log.open(streamOf(contract_id))
    return shown(contract_id, room)
  }

  /** A change must have seen the flags alone: what used one last is no reason to refuse it. */
  async function shown(contract_id: string, room: RoomView) {
    const { grants, set } = room.access ?? {}
    const opened = await openedBy(contract_id)
    const grantOf = (flag: PermissionFlag) => set?.contract?.[flag] ?? opened
    const flags = await uses.records({ type: 'contract', id: contract_id }, grantOf)
    const [keys, refused_bounds] = await Promise.all([keysOf(room.contract?.provider_id ?? ''), uses.passedBounds(contract_id)])
    const more = { ...(grants ? { agent: grants } : {}), ...(set ? { set } : {}), flags, keys, refused_bounds }
    const body = { ...room.permissions, in_force: inForce(room), ...more }
    return { status: 200, body, etag: etagOfParts({ seen: room.permissions, whole: body }) }
  }

  /** What nobody changed is as the contract was opened with. */
  async function openedBy(contract_id: string): Promise<{ by: By; at: string }> {
    const [first] = (await log.page(streamOf(contract_id), 0, 1)).events
    if (first === undefined) throw new Error(`the log of ${contract_id} has no beginning`)
    return { by: first.event.by, at: first.event.at }
  }

  return [
    { method: 'GET', path: '/contracts/:id/permissions', access: 'principal', scope: 'rooms:read', handle: show },
    { method: 'PUT', path: '/contracts/:id/permissions', access: 'principal', scope: 'rooms:write', handle: change },
  ]
}
