import type { IncomingHttpHeaders } from 'node:http'
import type { Connection } from 'mongoose'
import type { UserRole } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import type { Clock } from '../../core/clock.ts'
import type { Audit } from '../../pipeline/audit.ts'
import type { Route } from '../../pipeline/http/route.ts'
import { createLoginThrottle } from './login-throttle.ts'
import { createModel, type SessionDocument } from './model.ts'
import { createOneTimeLinks } from './one-time-links.ts'
import { createPasswords } from './passwords.ts'
import { createPeople, type PeopleDeps } from './people.ts'
import { createSecrets } from './secrets.ts'
import { createAccessTokens, createKeyRing } from './sessions/access-token.ts'
import { showsCookie } from './sessions/cookie.ts'
import { createRefreshTokens } from './sessions/refresh-token.ts'
import { createSessionLookup, type FoundSession } from './sessions/session-lookup.ts'
import { sessionRoutes } from './sessions/session-routes.ts'
import { createUserSessions, isUnder } from './sessions/user-sessions.ts'
import { createUserLife } from './user-life.ts'
import { userRoutes } from './user-routes.ts'

export interface UserSettings {
  /** At least 32 bytes of entropy. Every other key is derived from it: another secret means new keys for all. */
  secret: string
  operator_token: string
  public_url: string
  /** Of each password's hash; undefined: the usual one. */
  password_cost: number | undefined
}

export interface Authenticated {
  principal: Principal
  /** When the proof ends; null: not by time. */
  expires_at_ms: number | null
}

export interface KnownUser {
  id: string
  kind: 'user'
  name: string
  roles: readonly UserRole[]
}

export interface Users {
  routes: Route[]
  /** Of an access token, or the operator's token. Undefined for every other text. */
  ofToken(text: string): Promise<Authenticated | undefined>
  /** Of a Cookie header. Whoever asks has checked the Origin. */
  ofCookie(header: string | undefined): Promise<Authenticated | undefined>
  /** Whether a Cookie header claims a session, good or not. */
  showsCookie(header: string | undefined): boolean
  /** The user of a session as it is now. Undefined when the session has ended. */
  proveAgain(principal: Principal): Promise<Principal | undefined>
  find(ids: string[]): Promise<KnownUser[]>
  /** The user as whom the operator's token acts. */
  operator(): Promise<Principal>
  /** What has become of sessions that were shown, with the roles which their users had then. */
  lookUp(shown: ReadonlyMap<string, readonly UserRole[]>): Promise<Map<string, FoundSession>>
  /** Makes the operator's user at the first start. */
  start(): Promise<void>
}

/** The humans: who they are, how they sign in, and how that ends. */
export function createUsers({
  connection,
  clock,
  audit,
  settings: { secret, operator_token, public_url, password_cost },
  agentsOf,
  onChange,
  onTrouble,
}: {
  connection: Connection
  clock: Clock
  audit: Audit
  settings: UserSettings
  agentsOf: PeopleDeps['agentsOf']
  /** A session of the user has ended, or the user has other rights: its connections are to be looked at. */
  onChange(user_id: string): Promise<void>
  onTrouble(what: string, cause: unknown): void
}): Users {
  if (operator_token === '') throw new Error("the operator's token is empty")
  const model = createModel(connection)
  const secrets = createSecrets(secret, password_cost)
  const accessTokens = createAccessTokens({ ring: createKeyRing({ derive: secrets.derive, clock }), clock })
  const refreshTokens = createRefreshTokens(secrets.refreshMacKey)
  const people = createPeople({ model, secrets, clock, audit, agentsOf })
  const sessions = createUserSessions({ model, secrets, accessTokens, refreshTokens, clock, audit, public_url, onEnd: onChange, onTrouble })
  const throttle = createLoginThrottle({ model, secrets, clock })
  const passwords = createPasswords({ model, secrets, throttle, audit, onEnd: onChange })
  const links = createOneTimeLinks({ model, secrets, clock, audit, public_url, onEnd: onChange })
  const life = createUserLife({ model, clock, audit, onChange })
  let operator_id: string | undefined

  /** The store is read each time: nothing that ended lives on in a cache. */
  async function proven(
    user_id: string,
    { session: finding, expires_at_ms }: { session: SessionDocument | Promise<SessionDocument | undefined>; expires_at_ms: number },
  ): Promise<Authenticated | undefined> {
    const [session, acting] = await Promise.all([finding, people.acting(user_id)])
    if (session?.user_id !== user_id || acting === undefined || !isUnder(acting.user, session)) return undefined
    return { principal: { ...acting.principal, credential: { kind: 'session', id: session._id } }, expires_at_ms }
  }

  async function operator(): Promise<Principal> {
    operator_id ??= (await people.operator())._id
    const acting = await people.acting(operator_id)
    if (acting === undefined) throw new Error('the operator has no user any more')
    return { ...acting.principal, credential: { kind: 'operator', id: 'operator' } }
  }

  async function ofToken(text: string): Promise<Authenticated | undefined> {
    if (secrets.isSame(text, operator_token)) return { principal: await operator(), expires_at_ms: null }
    const claims = accessTokens.verify(text)
    return claims && proven(claims.user_id, { session: sessions.find(claims.session_id), expires_at_ms: claims.expires_at_ms })
  }

  async function ofCookie(header: string | undefined): Promise<Authenticated | undefined> {
    const session = await sessions.findBrowser(header)
    return session && proven(session.user_id, { session, expires_at_ms: session.expires_at.getTime() })
  }

  async function sessionOf({ authorization, cookie }: IncomingHttpHeaders): Promise<SessionDocument | undefined> {
    if (authorization === undefined) return sessions.findBrowser(cookie)
    const claims = accessTokens.verify(authorization.split(' ')[1] ?? '')
    return claims && sessions.find(claims.session_id)
  }

  return {
    routes: [...sessionRoutes({ people, sessions, passwords, links, audit, sessionOf }), ...userRoutes({ people, life, links, throttle })],
    ofToken,
    ofCookie,
    showsCookie,
    proveAgain: async ({ id, credential }) =>
      (await proven(id, { session: sessions.find(credential?.id ?? ''), expires_at_ms: 0 }))?.principal,
    find: async (ids) => (await people.find(ids)).map(({ _id, name, roles }) => ({ id: _id, kind: 'user', name, roles })),
    operator,
    lookUp: createSessionLookup({ model, clock }),
    start: () => people.ensureOperator(),
  }
}
