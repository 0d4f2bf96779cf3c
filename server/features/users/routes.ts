import { http, ParleyError } from '../../../shared/protocol/index.ts'
import { parse } from '../../pipeline/parse.ts'
import { principalOf, type Route, type RouteAnswer, type RouteRequest } from '../../pipeline/route.ts'
import { type BrowserSignIn, cookieCleared } from './browser-sign-in.ts'
import type { People } from './people.ts'
import type { Sessions } from './sessions.ts'

/** An answer with a secret in it: no cache may keep it. */
function secret(status: number, body: object, headers: Record<string, string> = {}): RouteAnswer {
  return { status, body, headers: { 'Cache-Control': 'no-store', ...headers } }
}

export function createRoutes({
  people,
  sessions,
  browserSignIn,
}: {
  people: People
  sessions: Sessions
  browserSignIn: BrowserSignIn
}): Route[] {
  async function createUser({ body }: RouteRequest): Promise<RouteAnswer> {
    return { status: 201, body: await people.create(parse(http['POST /users'].body, body)) }
  }

  async function signIn({ body, ip }: RouteRequest): Promise<RouteAnswer> {
    return secret(200, await sessions.signIn({ ...parse(http['POST /sessions'].body, body), ip }))
  }

  async function refresh({ body }: RouteRequest): Promise<RouteAnswer> {
    return secret(200, await sessions.refresh(parse(http['POST /sessions/refresh'].body, body).refresh_token))
  }

  async function signOut({ headers }: RouteRequest): Promise<RouteAnswer> {
    if (await browserSignIn.end(headers.cookie)) return { status: 204, headers: { 'Set-Cookie': cookieCleared } }
    throw new ParleyError('NOT_FOUND', { detail: 'The request carries no browser session. To leave without one, drop your tokens.' })
  }

  async function createLink(request: RouteRequest): Promise<RouteAnswer> {
    const { user_id } = parse(http['POST /sign-in-links'].body, request.body ?? {})
    const id = user_id ?? (await people.operator()).id
    return secret(201, await browserSignIn.createLink(id, principalOf(request)))
  }

  async function redeemLink({ body }: RouteRequest): Promise<RouteAnswer> {
    const { set_cookie, ...user } = await browserSignIn.redeem(parse(http['POST /sign-in-links/redeem'].body, body).token)
    return secret(200, user, { 'Set-Cookie': set_cookie })
  }

  /** The console asks this when it opens, so here its cookie gets its later end. */
  async function me(request: RouteRequest): Promise<RouteAnswer> {
    const { id, kind, name, roles } = principalOf(request)
    const session = await browserSignIn.find(request.headers.cookie)
    return secret(200, { id, kind, name, roles }, session?.user_id === id ? { 'Set-Cookie': session.set_cookie } : {})
  }

  return [
    { method: 'POST', path: '/users', access: 'operator', handle: createUser },
    { method: 'POST', path: '/sessions', access: 'open', rate: 'login', handle: signIn },
    { method: 'POST', path: '/sessions/refresh', access: 'open', rate: 'login', handle: refresh },
    { method: 'DELETE', path: '/sessions/current', access: 'principal', scope: null, handle: signOut },
    { method: 'POST', path: '/sign-in-links', access: 'operator', handle: createLink },
    { method: 'POST', path: '/sign-in-links/redeem', access: 'open', rate: 'login', handle: redeemLink },
    { method: 'GET', path: '/me', access: 'principal', scope: null, handle: me },
  ]
}
