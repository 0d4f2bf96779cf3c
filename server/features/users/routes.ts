import { http, ParleyError } from '../../../shared/protocol/index.ts'
import { askedBy } from '../../pipeline/audit.ts'
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
  async function createUser(request: RouteRequest): Promise<RouteAnswer> {
    return { status: 201, body: await people.create(parse(http['POST /users'].body, request.body), askedBy(request)) }
  }

  async function signIn(request: RouteRequest): Promise<RouteAnswer> {
    const { body, ip } = request
    return secret(200, await sessions.signIn({ ...parse(http['POST /sessions'].body, body), ip }, askedBy(request)))
  }

  async function refresh(request: RouteRequest): Promise<RouteAnswer> {
    const { refresh_token } = parse(http['POST /sessions/refresh'].body, request.body)
    return secret(200, await sessions.refresh(refresh_token, askedBy(request)))
  }

  async function signOut(request: RouteRequest): Promise<RouteAnswer> {
    if (await browserSignIn.end(request.headers.cookie, askedBy(request))) return { status: 204, headers: { 'Set-Cookie': cookieCleared } }
    throw new ParleyError('NOT_FOUND', { detail: 'The request carries no browser session. To leave without one, drop your tokens.' })
  }

  async function createLink(request: RouteRequest): Promise<RouteAnswer> {
    const { user_id } = parse(http['POST /sign-in-links'].body, request.body ?? {})
    const id = user_id ?? (await people.operator()).id
    return secret(201, await browserSignIn.createLink(id, principalOf(request), askedBy(request)))
  }

  async function redeemLink(request: RouteRequest): Promise<RouteAnswer> {
    const { token } = parse(http['POST /sign-in-links/redeem'].body, request.body)
    const { set_cookie, ...user } = await browserSignIn.redeem(token, askedBy(request))
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
    { method: 'POST', path: '/sessions', access: 'open', rate: 'login', replay: 'never', handle: signIn },
    { method: 'POST', path: '/sessions/refresh', access: 'open', rate: 'login', replay: 'never', handle: refresh },
    { method: 'DELETE', path: '/sessions/current', access: 'principal', scope: null, handle: signOut },
    { method: 'POST', path: '/sign-in-links', access: 'operator', replay: { without: ['url'] }, handle: createLink },
    { method: 'POST', path: '/sign-in-links/redeem', access: 'open', rate: 'login', replay: 'never', handle: redeemLink },
    { method: 'GET', path: '/me', access: 'principal', scope: null, handle: me },
  ]
}
