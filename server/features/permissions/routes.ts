import { http, idSchema, ParleyError, type RoomView } from '../../../shared/protocol/index.ts'
import { authorize } from '../../core/access/authorize.ts'
import { inForce } from '../../core/access/permit.ts'
import { etagOf } from '../../pipeline/http/conditional.ts'
import { principalOf, type Route, type RouteRequest } from '../../pipeline/http/route.ts'
import type { Log } from '../../pipeline/log/log.ts'
import { type RecordFrame, streamOf } from '../../pipeline/log/record.ts'
import { parse } from '../../pipeline/parse.ts'
import { permitContract } from './change-permissions.ts'

/** What a contract permits its provider's agent, for its parties and staff. */
export function permissionRoutes({ log, record }: { log: Log; record: RecordFrame }): Route[] {
  async function enter(request: RouteRequest) {
    const id = idSchema.safeParse(request.params['id'])
    if (!id.success) throw new ParleyError('NOT_FOUND')
    const { room } = await log.refresh(streamOf(id.data))
    authorize(room, 'room.join', principalOf(request))
    return { contract_id: id.data, room }
  }

  async function show(request: RouteRequest) {
    const { room } = await enter(request)
    return { status: 200, body: shown(room), etag: etagOf(room.permissions) }
  }

  async function change(request: RouteRequest) {
    const { contract_id } = await enter(request)
    const permissions = parse(http['PUT /contracts/:id/permissions'].body, request.body)
    const if_match = request.headers['if-match']
    const frame = { contract_id, permissions, request_id: request.new_id, ...(if_match === undefined ? {} : { if_match }) }
    await record(permitContract, frame, principalOf(request))
    const { room } = await log.open(streamOf(contract_id))
    return { status: 200, body: shown(room), etag: etagOf(room.permissions) }
  }

  return [
    { method: 'GET', path: '/contracts/:id/permissions', access: 'principal', scope: 'rooms:read', handle: show },
    { method: 'PUT', path: '/contracts/:id/permissions', access: 'principal', scope: 'rooms:write', handle: change },
  ]
}

function shown(room: RoomView) {
  const { grants, set } = room.access ?? {}
  return { ...room.permissions, in_force: inForce(room), ...(grants ? { agent: grants } : {}), ...(set ? { set } : {}) }
}
