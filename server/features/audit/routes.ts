import { type Checkpoint, type CheckpointKey, http, type LogVerdict, ParleyError } from '../../../shared/protocol/index.ts'
import { isStaffMember, type Principal } from '../../core/access/principal.ts'
import { type Audit, askedBy } from '../../pipeline/audit.ts'
import { listLink } from '../../pipeline/http/list-link.ts'
import { principalOf, type Route, type RouteAnswer, type RouteRequest } from '../../pipeline/http/route.ts'
import { parse } from '../../pipeline/parse.ts'
import type { EventStore } from '../../pipeline/store/event-store.ts'
import { chainAt, exportTrail } from './export-trail.ts'
import type { FollowTrailDeps } from './follow-trail.ts'
import type { AuditModels } from './model.ts'
import type { ReadItems } from './read-items.ts'
import { refuseUnlessReader, searchTrail } from './search.ts'
import { streamsIn, trailStreams } from './trail-streams.ts'

export interface AuditRouteDeps {
  store: EventStore
  readItems: ReadItems
  models: AuditModels
  audit: Audit
  keys: CheckpointKey[]
  readCheckpoints(stream: string, after: number, limit: number): Promise<Checkpoint[]>
  keepForExport(stream: string, head: number): Promise<void>
  verifyStream(stream: string, by: { asker_id: string }): Promise<LogVerdict>
  standing: FollowTrailDeps['standing']
}

/** The trail is read and checked here. No route changes or removes an event, whoever asks. */
export function auditRoutes(deps: AuditRouteDeps): Route[] {
  const { store, readItems, models, audit, keys, readCheckpoints, keepForExport, verifyStream, standing } = deps
  async function search(request: RouteRequest): Promise<RouteAnswer> {
    const query = parse(http['GET /audit'].query, request.query)
    const principal = principalOf(request)
    refuseUnlessReader(principal, query)
    const { rows: items, page } = await searchTrail({ store, readItems }, query, { asker_id: principal.id })
    return {
      status: 200,
      body: { items, ...page },
      headers: { 'Cache-Control': 'no-store', ...listLink(request.path, query, page.next_cursor) },
    }
  }

  async function exportAll(request: RouteRequest): Promise<RouteAnswer> {
    const principal = principalOf(request)
    refuseUnlessStaff(principal)
    const from = parse(http['GET /audit/export'].query, request.query)
    // Said before the first line: afterwards there is no way left to refuse.
    if (from.stream !== undefined) await chainAt(store, from.stream, from.after)
    const subject = { type: 'trail', id: from.stream ?? 'all' }
    audit.record({ type: 'audit.exported', ...askedBy(request), subject, metadata: { after: from.after } })
    const requireReader = async () => {
      if ((await standing(principal, {})).ended !== undefined) throw new ParleyError('UNAUTHENTICATED')
    }
    const lines = exportTrail({ store, readCheckpoints, keepForExport, requireReader }, from)
    return { status: 200, lines, headers: { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' } }
  }

  /** A stream whose events are all gone is found by its checkpoints, or by the hub that wrote to it. */
  async function verify(request: RouteRequest): Promise<RouteAnswer> {
    const principal = principalOf(request)
    refuseUnlessStaff(principal)
    const [written, signed, claimed] = await Promise.all([
      trailStreams(store),
      streamsIn(models.checkpoints),
      models.streams.find({}).sort({ _id: 1 }).toArray(),
    ])
    const names = new Set([...written, ...signed, ...claimed.map(({ _id }) => `audit:${_id}`)])
    const streams = []
    for (const stream of names) streams.push({ stream, ...(await verifyStream(stream, { asker_id: principal.id })) })
    return { status: 200, body: { ok: streams.every(({ ok }) => ok), streams }, headers: { 'Cache-Control': 'no-store' } }
  }

  return [
    { method: 'GET', path: '/audit', access: 'principal', scope: null, handle: search },
    { method: 'GET', path: '/audit/export', access: 'principal', scope: null, handle: exportAll },
    { method: 'GET', path: '/audit/verify', access: 'principal', scope: null, handle: verify },
    { method: 'GET', path: '/audit/keys', access: 'public', handle: async () => ({ status: 200, body: { keys } }) },
  ]
}

function refuseUnlessStaff(principal: Principal): void {
  if (!isStaffMember(principal)) throw new ParleyError('PERMISSION_DENIED', { allowed: ['reviewer', 'admin'] })
}
