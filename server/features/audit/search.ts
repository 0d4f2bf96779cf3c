import type { z } from 'zod'
import { type AuditItem, type auditFilters, type http, ParleyError } from '../../../shared/protocol/index.ts'
import { notYours } from '../../core/access/foreign.ts'
import { isStaffMember, type Principal } from '../../core/access/principal.ts'
import { facet } from '../../core/words/facets.ts'
import { tokensAsked } from '../../core/words/tokens.ts'
import { type ListPage, listPage } from '../../pipeline/http/list-page.ts'
import type { EventStore } from '../../pipeline/store/event-store.ts'
import type { ReadItems } from './read-items.ts'

export type AuditQuery = z.infer<(typeof http)['GET /audit']['query']>
export type AuditFilters = Pick<AuditQuery, keyof typeof auditFilters>
/** How what is no question is refused: over HTTP, or in a frame. */
type Invalid = 'REQUEST_INVALID' | 'FRAME_INVALID'

/** Staff read all of it; the owner of an agent what concerns that agent. To anyone else another's agent is not there. */
export function refuseUnlessReader(
  principal: Principal,
  { agent_id }: Pick<AuditQuery, 'agent_id'>,
  invalid: Invalid = 'REQUEST_INVALID',
): void {
  if (isStaffMember(principal)) return
  if (principal.kind !== 'user' || principal.owns.length === 0)
    throw new ParleyError('PERMISSION_DENIED', { allowed: ['reviewer', 'admin'] })
  if (agent_id === undefined) {
    throw new ParleyError(invalid, { errors: [{ pointer: '/agent_id', detail: 'name one of your agents; only staff read all' }] })
  }
  if (!principal.owns.includes(agent_id)) throw notYours()
}

/** One page of the trail: of every hub's stream and every room's log, by time. Nothing was copied for it: all lie in one collection. */
export async function searchTrail(
  { store, readItems }: { store: EventStore; readItems: ReadItems },
  query: AuditQuery,
  by: { asker_id: string },
): Promise<ListPage<AuditItem>> {
  const at = { ...(query.from ? { $gte: new Date(query.from) } : {}), ...(query.to ? { $lte: new Date(query.to) } : {}) }
  const filter = { ...withFacets(facetsAsked(query)), ...(Object.keys(at).length === 0 ? {} : { at }) }
  const { rows, page } = await listPage(store.collection, { filter, query, sorts: { at: 'at' }, only: ['at'] })
  const ids = rows.map(({ _id }) => _id)
  return { rows: await readItems(ids, by), page }
}

/** What has all of them, as the index of facets finds it. */
export function withFacets([first = facet.any, ...others]: readonly string[]) {
  return { facets: first, ...(others.length === 0 ? {} : { $and: others.map((one) => ({ facets: one })) }) }
}

/** What the index is asked for first should be rare: the first of them leads into it. */
export function facetsAsked(filters: AuditFilters, invalid: Invalid = 'REQUEST_INVALID'): string[] {
  const { task_id, key_id, subject, actor, agent_id, q, type, severity } = filters
  const words = q === undefined ? [] : tokensAsked(q)
  if (q !== undefined && words.length === 0) throw new ParleyError(invalid, { errors: [{ pointer: '/q', detail: 'holds no word' }] })
  return [
    ...(task_id === undefined ? [] : [facet.task(task_id)]),
    ...(key_id === undefined ? [] : [facet.key(key_id)]),
    ...(subject === undefined ? [] : [facet.subject(subject)]),
    ...(actor === undefined ? [] : [facet.actor(actor)]),
    ...words.map(facet.word),
    ...(agent_id === undefined ? [] : [facet.agent(agent_id)]),
    ...(type === undefined ? [] : [facet.type(type)]),
    ...(severity === undefined ? [] : [facet.severity(severity)]),
  ]
}
