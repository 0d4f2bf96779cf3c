import { http } from '../../../shared/protocol/index.ts'
import { askedBy } from '../../pipeline/audit.ts'
import { etagOf, requireMatch } from '../../pipeline/http/conditional.ts'
import { listLink } from '../../pipeline/http/list-link.ts'
import { pathId } from '../../pipeline/http/path-id.ts'
import { principalOf, type Route, type RouteAnswer, type RouteRequest } from '../../pipeline/http/route.ts'
import { parse } from '../../pipeline/parse.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type { UserDocument } from './model.ts'
import type { OneTimeLinks } from './one-time-links.ts'
import type { People } from './people.ts'
import { secret } from './sessions/session-routes.ts'
import { shownUser, type UserLife } from './user-life.ts'

/** Who the users are, as an operator makes and changes them. */
export function userRoutes({
  people,
  life,
  links,
  throttle,
}: {
  people: People
  life: UserLife
  links: OneTimeLinks
  throttle: LoginThrottle
}): Route[] {
  async function create(request: RouteRequest): Promise<RouteAnswer> {
    const { _id } = await people.create(request.new_id, parse(http['POST /users'].body, request.body), askedBy(request))
    return { status: 201, body: { user_id: _id }, headers: { Location: `/users/${_id}` } }
  }

  async function list(request: RouteRequest): Promise<RouteAnswer> {
    const query = parse(http['GET /users'].query, request.query)
    const { items, page } = await life.list(query)
    return { status: 200, body: { items, ...page }, headers: listLink(request.path, query, page.next_cursor) }
  }

  async function show(request: RouteRequest): Promise<RouteAnswer> {
    return shown(await people.get(pathId(request)))
  }

  function shown(user: UserDocument): RouteAnswer {
    const body = shownUser(user)
    return { status: 200, body, etag: etagOf(body) }
  }

  async function edit(request: RouteRequest): Promise<RouteAnswer> {
    const patch = parse(http['PATCH /users/:id'].body, request.body)
    const user = await people.get(pathId(request))
    requireMatch(request.headers, etagOf(shownUser(user)))
    return shown(await life.edit(user, patch, { asSeen: request.headers['if-match'] !== undefined, asked: askedBy(request) }))
  }

  async function invite(request: RouteRequest): Promise<RouteAnswer> {
    const user = await people.invite(request.new_id, parse(http['POST /invitations'].body, request.body), askedBy(request))
    return secret(201, {
      user_id: user._id,
      ...(await links.create('invitation', user, { by: principalOf(request), asked: askedBy(request) })),
    })
  }

  async function askReset(request: RouteRequest): Promise<RouteAnswer> {
    const { email } = parse(http['POST /password-resets'].body, request.body)
    await throttle.ask(request.ip)
    await life.askReset(email, askedBy(request))
    return { status: 202, body: {} }
  }

  async function createReset(request: RouteRequest): Promise<RouteAnswer> {
    const user = await people.get(pathId(request))
    return secret(201, await links.create('password-reset', user, { by: principalOf(request), asked: askedBy(request) }))
  }

  async function createSignIn(request: RouteRequest): Promise<RouteAnswer> {
    const { user_id } = parse(http['POST /sign-in-links'].body, request.body === undefined ? {} : request.body)
    const user = user_id === undefined ? await people.operator() : await people.get(user_id)
    return secret(201, await links.create('sign-in', user, { by: principalOf(request), asked: askedBy(request) }))
  }

  return [
    { method: 'POST', path: '/users', access: 'operator', handle: create },
    { method: 'GET', path: '/users', access: 'operator', handle: list },
    { method: 'GET', path: '/users/:id', access: 'operator', handle: show },
    { method: 'PATCH', path: '/users/:id', access: 'operator', handle: edit },
    { method: 'POST', path: '/users/:id/password-reset-links', access: 'operator', replay: { without: ['url'] }, handle: createReset },
    { method: 'POST', path: '/invitations', access: 'operator', replay: { without: ['url'] }, handle: invite },
    { method: 'POST', path: '/password-resets', access: 'open', rate: 'login', replay: 'never', handle: askReset },
    { method: 'POST', path: '/sign-in-links', access: 'operator', replay: { without: ['url'] }, handle: createSignIn },
  ]
}
