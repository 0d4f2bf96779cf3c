import { v7 as uuidv7 } from 'uuid'
import { ParleyError } from '../../../../shared/protocol/index.ts'
import { system } from '../../../core/access/principal.ts'
import { type Clock, isoTime } from '../../../core/clock.ts'
import { type Asked, type Audit, actorOf, refusedAndRecorded } from '../../../pipeline/audit.ts'
import { listPage, type PageQuery } from '../../../pipeline/http/list-page.ts'
import { createBatchedReads } from '../../../pipeline/store/batched-reads.ts'
import type { Model, SessionDocument, UserDocument } from '../model.ts'
import { newToken, type Secrets } from '../secrets.ts'
import { ACCESS_TOKEN_S, type AccessTokens } from './access-token.ts'
import { cookie, cookieValue, refuseWithoutCookies } from './cookie.ts'
import type { RefreshTokens } from './refresh-token.ts'

export interface Tokens {
  access_token: string
  refresh_token: string
  expires_in: number
}

interface Ending {
  type: 'session.revoked' | 'user.signed_out'
  asked: Asked
}

/** From the last use: a month away means signing in again. */
const SESSION_MS = 30 * 86_400_000
/** So many of a user's may go on at once. Past it the one that was used longest ago ends: a script that signs in each time must not grow the store. */
const MOST_SESSIONS = 50
// How exactly the last use is known: reading does not mean writing each time.
const TOUCH_MS = 10 * 60_000

/**
 * The sessions of users: a browser's by its cookie, a program's by a short access token and a refresh token that is good for one use. The store
 * has hashes only.
 */
export function createUserSessions({
  model: { sessions, users },
  secrets,
  accessTokens,
  refreshTokens,
  clock,
  audit,
  public_url,
  onEnd,
  onTrouble,
}: {
  model: Model
  secrets: Secrets
  accessTokens: AccessTokens
  refreshTokens: RefreshTokens
  clock: Clock
  audit: Audit
  public_url: string
  /** A session of the user has ended, or all of them: what they hold open must not go on once this resolves. */
  onEnd(user_id: string): Promise<void>
  onTrouble(what: string, cause: unknown): void
}) {
  const requireCookies = () => refuseWithoutCookies(public_url)

  /** The cookie of a new session, as a Set-Cookie header. */
  async function openBrowser(user: UserDocument, device: string): Promise<string> {
    requireCookies()
    const value = newToken()
    const _id = uuidv7({ msecs: clock.now() })
    await keep(begun(user, { _id, kind: 'browser', hash: secrets.hashToken('browser-session', value), device }))
    return cookie(value, SESSION_MS)
  }

  async function openToken(user: UserDocument, device: string): Promise<Tokens> {
    const _id = uuidv7({ msecs: clock.now() })
    const refresh_token = refreshTokens.make(_id)
    await keep(begun(user, { _id, kind: 'token', hash: secrets.hashToken('refresh', refresh_token), device }))
    return tokens({ user_id: user._id, session_id: _id }, refresh_token)
  }

  async function keep(session: SessionDocument): Promise<void> {
    await sessions.insertOne(session)
    const { user_id, sessions_version } = session
    const others = { user_id, sessions_version, ...goingOn(), _id: { $ne: session._id } }
    const byUse = sessions.find(others, { projection: { kind: 1, user_id: 1 } }).sort({ last_used_at: -1, _id: -1 })
    const oldest = await byUse.skip(MOST_SESSIONS - 1).toArray()
    if (oldest.length === 0) return
    const ended = { ended_at: new Date(clock.now()), end_reason: 'too_many' as const }
    await sessions.updateMany({ _id: { $in: oldest.map(({ _id }) => _id) }, ended_at: null }, { $set: ended })
    for (const one of oldest) {
      const { subject, metadata } = about(one)
      audit.record({ type: 'session.revoked', actor: actorOf(system), subject, metadata: { ...metadata, too_many: true } })
    }
    await onEnd(user_id)
  }

  function begun(user: UserDocument, session: Pick<SessionDocument, '_id' | 'kind' | 'hash' | 'device'>): SessionDocument {
    const now = clock.now()
    const times = { created_at: new Date(now), last_used_at: new Date(now), expires_at: new Date(now + SESSION_MS), ended_at: null }
    return { ...session, user_id: user._id, sessions_version: user.sessions_version, ...times }
  }

  function tokens(of: { user_id: string; session_id: string }, refresh_token: string): Tokens {
    return { access_token: accessTokens.issue(of), refresh_token, expires_in: ACCESS_TOKEN_S }
  }

  /** Changes the token for the next one. A token used twice means that two hold it: the session ends, for both. */
  async function refresh(old_token: string, asked: Asked): Promise<Tokens> {
    const session_id = refreshTokens.sessionOf(old_token)
    if (session_id === undefined) throw new ParleyError('UNAUTHENTICATED')
    const old_hash = secrets.hashToken('refresh', old_token)
    const refresh_token = refreshTokens.make(session_id)
    const now = clock.now()
    const good = { _id: session_id, hash: old_hash, ended_at: null, expires_at: { $gt: new Date(now) } }
    const next = { hash: secrets.hashToken('refresh', refresh_token), last_used_at: new Date(now), expires_at: new Date(now + SESSION_MS) }
    const session = await sessions.findOneAndUpdate(good, { $set: next })
    if (session === null) {
      const used_before = { _id: session_id, hash: { $ne: old_hash }, ended_at: null }
      const reused = await sessions.findOneAndUpdate(used_before, { $set: { ended_at: new Date(now), end_reason: 'reused' } })
      if (reused === null) throw new ParleyError('UNAUTHENTICATED')
      audit.record({ type: 'session.reused', ...asked, ...about(reused) })
      await onEnd(reused.user_id)
      throw refusedAndRecorded('UNAUTHENTICATED')
    }
    if (!isUnder(await users.findOne({ _id: session.user_id }), session)) throw new ParleyError('UNAUTHENTICATED')
    return tokens({ user_id: session.user_id, session_id }, refresh_token)
  }

  /** The session of an access token, if it goes on. Whether its user lets it is asked of the user. */
  async function find(session_id: string): Promise<SessionDocument | undefined> {
    return readGoingOn(session_id)
  }

  const readGoingOn = createBatchedReads(async (ids) => {
    const rows = await sessions.find({ _id: { $in: ids }, ...goingOn() }).toArray()
    return new Map(rows.map((session) => [session._id, session]))
  })

  /** The session of a Cookie header, if it goes on. Use moves its end. */
  async function findBrowser(cookies: string | undefined): Promise<SessionDocument | undefined> {
    const value = cookieValue(cookies)
    if (value === undefined) return undefined
    const session = await sessions.findOne({ hash: secrets.hashToken('browser-session', value), kind: 'browser', ...goingOn() })
    return session === null ? undefined : touch(session)
  }

  const goingOn = () => ({ ended_at: null, expires_at: { $gt: new Date(clock.now()) } })

  async function touch(session: SessionDocument): Promise<SessionDocument> {
    const now = clock.now()
    if (now - session.last_used_at.getTime() < TOUCH_MS) return session
    const moved = { last_used_at: new Date(now), expires_at: new Date(now + SESSION_MS) }
    try {
      // Never an upsert: who signed out in between stays signed out.
      await sessions.updateOne({ _id: session._id, ended_at: null }, { $max: moved })
      return { ...session, ...moved }
    } catch (cause) {
      onTrouble('a browser session could not be renewed', cause)
      return session // it is good until then, and the next use tries again
    }
  }

  /** The cookie again, to send when its end has moved. */
  function cookieAgain(cookies: string | undefined, { expires_at }: SessionDocument): string | undefined {
    const value = cookieValue(cookies)
    return value === undefined ? undefined : cookie(value, expires_at.getTime() - clock.now())
  }

  /** Those that go on. */
  async function list(user: UserDocument, query: PageQuery) {
    const filter = { user_id: user._id, sessions_version: user.sessions_version, ...goingOn() }
    // Ids sort by the time that they were made at.
    const { rows, page } = await listPage(sessions, { filter, query, sorts: { created_at: '_id' } })
    return { items: rows.map(shown), page }
  }

  /** Ends one session of the user. Throws NOT_FOUND when there is none of that id that goes on. */
  async function end(user_id: string, session_id: string, { type, asked }: Ending): Promise<SessionDocument> {
    const ended = { ended_at: new Date(clock.now()), end_reason: 'signed_out' as const }
    const session = await sessions.findOneAndUpdate({ _id: session_id, user_id, ...goingOn() }, { $set: ended })
    if (session === null) throw new ParleyError('NOT_FOUND')
    audit.record({ type, ...asked, ...about(session) })
    await onEnd(user_id)
    return session
  }

  /** Ends all of them, and every link that would open one. */
  async function endAll(user_id: string, asked: Asked): Promise<void> {
    await users.updateOne({ _id: user_id }, { $inc: { sessions_version: 1 } })
    audit.record({ type: 'session.revoked', ...asked, subject: { type: 'user', id: user_id }, metadata: { all: true } })
    await onEnd(user_id)
  }

  /** Ends all but one. Links stay: they are no sessions yet. */
  async function endOthers(user_id: string, kept: string | undefined, asked: Asked): Promise<void> {
    const ended = { ended_at: new Date(clock.now()), end_reason: 'signed_out' as const }
    const others = { user_id, ...goingOn(), ...(kept === undefined ? {} : { _id: { $ne: kept } }) }
    const { modifiedCount } = await sessions.updateMany(others, { $set: ended })
    if (modifiedCount === 0) return
    const metadata = { others: true, count: modifiedCount }
    audit.record({ type: 'session.revoked', ...asked, subject: { type: 'user', id: user_id }, metadata })
    await onEnd(user_id)
  }

  return { requireCookies, openBrowser, openToken, refresh, find, findBrowser, cookieAgain, list, end, endAll, endOthers }
}

export type UserSessions = ReturnType<typeof createUserSessions>

/** Whether the user, as it is now, lets what was given out under a version of its sessions go on. */
export function isUnder(user: UserDocument | null, given: { sessions_version: number }): user is UserDocument {
  return user !== null && user.status === 'active' && user.sessions_version === given.sessions_version
}

function about({ _id, user_id, kind }: Pick<SessionDocument, '_id' | 'user_id' | 'kind'>) {
  return { subject: { type: 'user', id: user_id }, metadata: { session_id: _id, kind } }
}

function shown({ _id, kind, device, created_at, last_used_at, expires_at }: SessionDocument) {
  const times = { created_at: isoTime(created_at.getTime()), last_used_at: isoTime(last_used_at.getTime()) }
  return { session_id: _id, kind, device, ...times, expires_at: isoTime(expires_at.getTime()) }
}
