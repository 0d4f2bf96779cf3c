import { http } from '../../../shared/protocol/index.ts'
import type { EventStore } from '../../pipeline/event-store.ts'
import { listLink } from '../../pipeline/list-link.ts'
import { parse } from '../../pipeline/parse.ts'
import { principalOf, type Route, type RouteAnswer, type RouteRequest } from '../../pipeline/route.ts'
import { refuseUnlessReader, searchTrail } from './search.ts'

/** The trail is read and checked here. No route changes or removes an event, whoever asks. */
export function auditRoutes({ store }: { store: EventStore }): Route[] {
  async function search(request: RouteRequest): Promise<RouteAnswer> {
    const query = parse(http['GET /audit'].query, request.query)
    refuseUnlessReader(principalOf(request), query)
    const { rows: items, page } = await searchTrail(store, query)
    return {
      status: 200,
      body: { items, ...page },
      headers: { 'Cache-Control': 'no-store', ...listLink(request.path, query, page.next_cursor) },
    }
  }

  return [{ method: 'GET', path: '/audit', access: 'principal', scope: null, handle: search }]
}
