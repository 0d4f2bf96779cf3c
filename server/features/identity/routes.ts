import { http, ParleyError } from '../../../shared/protocol/index.ts'
import { askedBy } from '../../pipeline/audit.ts'
import { parse } from '../../pipeline/parse.ts'
import type { Route, RouteAnswer, RouteRequest } from '../../pipeline/route.ts'
import type { Principals } from './principals.ts'

export function createRoutes({
  principals,
  showsCookie,
}: {
  principals: Principals
  showsCookie(header: string | undefined): boolean
}): Route[] {
  async function registerAgent(request: RouteRequest): Promise<RouteAnswer> {
    const { body, principal, headers } = request
    // Who means to be the owner, and is not recognised, must not get an agent that nobody owns.
    const showsSomething = headers.authorization !== undefined || showsCookie(headers.cookie)
    if (showsSomething && principal === undefined) throw new ParleyError('UNAUTHENTICATED')
    const registered = await principals.registerAgent(parse(http['POST /agents'].body, body), principal, askedBy(request))
    // The key is in it: no cache may keep it.
    return { status: 201, body: registered, headers: { 'Cache-Control': 'no-store' } }
  }

  return [{ method: 'POST', path: '/agents', access: 'open', rate: 'register', replay: { without: ['api_key'] }, handle: registerAgent }]
}
