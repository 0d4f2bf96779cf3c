import { http, ParleyError } from '../../../../shared/protocol/index.ts'
import { type Audit, askedBy } from '../../../pipeline/audit.ts'
import { listLink } from '../../../pipeline/http/list-link.ts'
import { pathId } from '../../../pipeline/http/path-id.ts'
import { principalOf, type Route, type RouteAnswer, type RouteRequest } from '../../../pipeline/http/route.ts'
import { parse } from '../../../pipeline/parse.ts'
import type { LinkKind, SessionDocument, UserDocument } from '../model.ts'
import type { OneTimeLinks } from '../one-time-links.ts'
import type { Passwords } from '../passwords.ts'
import type { People } from '../people.ts'
import { cookieCleared } from './cookie.ts'
import { deviceName } from './device-name.ts'
import type { UserSessions } from './user-sessions.ts'

const resources = { 'sign-in': 'sign-in-links', invitation: 'invitations', 'password-reset': 'password-resets' } as const

/** An answer with a secret in it: no cache may keep it. */
export function secret(status: number, body: object, headers: Record<string, string> = {}): RouteAnswer {
  return { status, body, headers: { 'Cache-Control': 'no-store', ...headers } }
}

/** How one's own sessions begin, go on and end. */
export function sessionRoutes({
  people,
  sessions,
  passwords,
  links,
  audit,
  sessionOf,
}: {
  people: People
  sessions: UserSessions
  passwords: Passwords
  links: OneTimeLinks
  audit: Audit
  /** The session that a request's credentials are of; undefined for the operator's token. */
  sessionOf(headers: RouteRequest['headers']): Promise<SessionDocument | undefined>
}): Route[] {
  async function signIn(request: RouteRequest): Promise<RouteAnswer> {
    const given = { ...parse(http['POST /sessions'].body, request.body), ip: request.ip }
    return openToken(await passwords.signIn(given, askedBy(request)), request, 'password')
  }

  async function signInBrowser(request: RouteRequest): Promise<RouteAnswer> {
    const given = { ...parse(http['POST /sessions/browser'].body, request.body), ip: request.ip }
    // Before anybody types in vain: a browser would drop the cookie.
    sessions.requireCookies()
    return openBrowser(await passwords.signIn(given, askedBy(request)), request, 'password')
  }

  async function openToken(user: UserDocument, request: RouteRequest, method: string): Promise<RouteAnswer> {
    const tokens = await sessions.openToken(user, deviceName(request.headers['user-agent']))
    signedIn(user, request, method)
    return secret(200, tokens)
  }

  async function openBrowser(user: UserDocument, request: RouteRequest, method: string): Promise<RouteAnswer> {
    const set_cookie = await sessions.openBrowser(user, deviceName(request.headers['user-agent']))
    signedIn(user, request, method)
    return secret(200, { user_id: user._id, name: user.name }, { 'Set-Cookie': set_cookie })
  }

  function signedIn({ _id: id }: UserDocument, request: RouteRequest, method: string): void {
    const { actor, correlation_id } = askedBy({ ...request, principal: undefined })
    const metadata = { method, from: actor.id }
    audit.record({ type: 'user.signed_in', actor: { type: 'human', id }, correlation_id, subject: { type: 'user', id }, metadata })
  }

  async function refresh(request: RouteRequest): Promise<RouteAnswer> {
    const { refresh_token } = parse(http['POST /sessions/refresh'].body, request.body)
    return secret(200, await sessions.refresh(refresh_token, askedBy(request)))
  }

  async function list(request: RouteRequest): Promise<RouteAnswer> {
    const query = parse(http['GET /sessions'].query, request.query)
    const [user, current] = await Promise.all([myself(request), sessionOf(request.headers)])
    const { items, page } = await sessions.list(user, query)
    const marked = items.map((item) => ({ ...item, current: item.session_id === current?._id }))
    return { status: 200, body: { items: marked, ...page }, headers: listLink(request.path, query, page.next_cursor) }
  }

  async function end(request: RouteRequest): Promise<RouteAnswer> {
    const user = await myself(request)
    await sessions.end(user._id, pathId(request), { type: 'session.revoked', asked: askedBy(request) })
    return { status: 204 }
  }

  async function endCurrent(request: RouteRequest): Promise<RouteAnswer> {
    const current = await sessionOf(request.headers)
    if (current === undefined) throw new ParleyError('NOT_FOUND', { detail: "A key and the operator's token have no session to end." })
    await sessions.end(current.user_id, current._id, { type: 'user.signed_out', asked: askedBy(request) })
    return { status: 204, ...(current.kind === 'browser' ? { headers: { 'Set-Cookie': cookieCleared } } : {}) }
  }

  async function endAll(request: RouteRequest): Promise<RouteAnswer> {
    const { keep } = parse(http['DELETE /sessions'].query, request.query)
    const user = await myself(request)
    if (keep === 'current') {
      const current = await sessionOf(request.headers)
      await sessions.endOthers(user._id, current?._id, askedBy(request))
      return { status: 204 }
    }
    await sessions.endAll(user._id, askedBy(request))
    return { status: 204, headers: { 'Set-Cookie': cookieCleared } }
  }

  async function changePassword(request: RouteRequest): Promise<RouteAnswer> {
    const given = { ...parse(http['PUT /users/me/password'].body, request.body), ip: request.ip }
    const [user, current] = await Promise.all([myself(request), sessionOf(request.headers)])
    const changed = await passwords.change(user, given, askedBy(request))
    // It has ended all sessions, the asking one too: that one goes on as a new one.
    return current?.kind === 'browser' ? openBrowser(changed, request, 'password') : openToken(changed, request, 'password')
  }

  async function redeemSignIn(request: RouteRequest): Promise<RouteAnswer> {
    const { token } = parse(http['POST /sign-in-links/redeem'].body, request.body)
    return openBrowser(await links.signIn(token, askedBy(request)), request, 'sign-in')
  }

  const redeem = (kind: 'invitation' | 'password-reset') => async (request: RouteRequest) => {
    const given = parse(http[`POST /${kind}s/redeem`].body, request.body)
    return openBrowser(await links.setPassword(kind, given, askedBy(request)), request, kind)
  }

  /** For the page behind the link: whose it is, before another one takes the place of who is signed in there; and at once when it is no good. */
  const look = (kind: LinkKind) => async (request: RouteRequest) => {
    const { token } = parse(http[`POST /${resources[kind]}/look`].body, request.body)
    const { user } = await links.look(kind, token, askedBy(request))
    return secret(200, { user_id: user._id, email: user.email, name: user.name })
  }

  /** The console asks this when it opens, so here its cookie gets its later end. */
  async function me(request: RouteRequest): Promise<RouteAnswer> {
    const { id, kind, name, roles } = principalOf(request)
    const { cookie } = request.headers
    const session = await sessions.findBrowser(cookie)
    const set_cookie = session?.user_id === id ? sessions.cookieAgain(cookie, session) : undefined
    return secret(200, { id, kind, name, roles }, set_cookie === undefined ? {} : { 'Set-Cookie': set_cookie })
  }

  async function myself(request: RouteRequest): Promise<UserDocument> {
    const { kind, id } = principalOf(request)
    if (kind !== 'user')
      throw new ParleyError('PERMISSION_DENIED', { detail: 'Only a user has sessions and a password', allowed: ['user'] })
    return people.get(id)
  }

  return [
    { method: 'POST', path: '/sessions', access: 'open', rate: 'login', replay: 'never', handle: signIn },
    { method: 'POST', path: '/sessions/browser', access: 'open', rate: 'login', replay: 'never', handle: signInBrowser },
    { method: 'POST', path: '/sessions/refresh', access: 'open', rate: 'login', replay: 'never', handle: refresh },
    { method: 'GET', path: '/sessions', access: 'principal', scope: null, handle: list },
    { method: 'DELETE', path: '/sessions', access: 'principal', scope: null, handle: endAll },
    { method: 'DELETE', path: '/sessions/current', access: 'principal', scope: null, handle: endCurrent },
    { method: 'DELETE', path: '/sessions/:id', access: 'principal', scope: null, handle: end },
    { method: 'PUT', path: '/users/me/password', access: 'principal', scope: null, handle: changePassword },
    { method: 'POST', path: '/sign-in-links/look', access: 'open', rate: 'login', replay: 'never', handle: look('sign-in') },
    { method: 'POST', path: '/sign-in-links/redeem', access: 'open', rate: 'login', replay: 'never', handle: redeemSignIn },
    { method: 'POST', path: '/invitations/look', access: 'open', rate: 'login', replay: 'never', handle: look('invitation') },
    { method: 'POST', path: '/invitations/redeem', access: 'open', rate: 'login', replay: 'never', handle: redeem('invitation') },
    { method: 'POST', path: '/password-resets/look', access: 'open', rate: 'login', replay: 'never', handle: look('password-reset') },
    { method: 'POST', path: '/password-resets/redeem', access: 'open', rate: 'login', replay: 'never', handle: redeem('password-reset') },
    { method: 'GET', path: '/me', access: 'principal', scope: null, handle: me },
  ]
}
