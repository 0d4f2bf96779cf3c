import { ParleyError } from '../../../shared/protocol/index.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import { byOf, type Principal } from '../../core/principal.ts'
import { type Asked, type Audit, recordThenAct, refusedAndRecorded } from '../../pipeline/audit.ts'
import type { BrowserSessionDocument, Model, SignInLinkDocument } from './model.ts'
import { looksLikeToken, newToken, type Secrets } from './secrets.ts'

const LINK_MS = 15 * 60_000
const SESSION_MS = 30 * 86_400_000
// A session in use moves its end at most once a day, so that reading does not mean writing.
const RENEW_BELOW_MS = SESSION_MS - 86_400_000
const COOKIE = '__Host-parley'
const COOKIE_FLAGS = 'Path=/; Secure; HttpOnly; SameSite=Strict'
const LINK_SPENT = 'The link was used before, is older than 15 minutes, or is not one of ours. Ask for a new one; `npm start` prints one.'

export interface BrowserSession {
  user_id: string
  expires_at_ms: number
  /** The cookie again, to send when its end has moved. */
  set_cookie: string
}

/** Sign-in by a link that works once, and the console's cookie. Both are 256 random bits, of which the store has a hash. */
export function createBrowserSignIn({
  model: { users, signInLinks, browserSessions },
  secrets,
  clock,
  audit,
  public_url,
  onTrouble,
}: {
  model: Model
  secrets: Secrets
  clock: Clock
  audit: Audit
  public_url: string
  onTrouble(what: string, cause: unknown): void
}) {
  const address = new URL(public_url)

  async function createLink(user_id: string, by: Principal, asked: Asked): Promise<{ url: string; expires_at: string }> {
    refuseWithoutCookies()
    if ((await users.findOne({ _id: user_id })) === null) throw new ParleyError('NOT_FOUND', { user_id })
    const token = newToken()
    const now = clock.now()
    const link: SignInLinkDocument = {
      _id: secrets.hashToken('sign-in-link', token),
      user_id,
      created_at: new Date(now),
      created_by: byOf(by),
      expires_at: new Date(now + LINK_MS),
      used_at: null,
    }
    const subject = { type: 'user', id: user_id }
    await recordThenAct(audit, { type: 'sign_in_link.created', ...asked, subject }, () => signInLinks.insertOne(link))
    // Behind the #, a browser keeps it to itself: it reaches no log and no referrer.
    return { url: `${public_url.replace(/\/+$/, '')}/app/sign-in#token=${token}`, expires_at: isoTime(now + LINK_MS) }
  }

  async function redeem(token: string, { actor, correlation_id }: Asked): Promise<{ user_id: string; name: string; set_cookie: string }> {
    refuseWithoutCookies()
    const now = new Date(clock.now())
    const unused = { _id: secrets.hashToken('sign-in-link', token), used_at: null, expires_at: { $gt: now } }
    const link = looksLikeToken(token) ? await signInLinks.findOneAndUpdate(unused, { $set: { used_at: now } }) : null
    const user = link && (await users.findOne({ _id: link.user_id }))
    if (user === null) {
      const subject = { type: 'user', id: 'unknown' }
      audit.record({ type: 'user.sign_in_failed', actor, correlation_id, subject, metadata: { method: 'link' } })
      throw refusedAndRecorded('UNAUTHENTICATED', { detail: LINK_SPENT })
    }
    const itself = { type: 'human' as const, id: user._id }
    const subject = { type: 'user', id: user._id }
    audit.record({ type: 'user.signed_in', actor: itself, correlation_id, subject, metadata: { method: 'link', from: actor.id } })
    return { user_id: user._id, name: user.name, set_cookie: await startSession(user._id) }
  }

  async function startSession(user_id: string): Promise<string> {
    const value = newToken()
    const now = clock.now()
    const _id = secrets.hashToken('browser-session', value)
    await browserSessions.insertOne({ _id, user_id, created_at: new Date(now), expires_at: new Date(now + SESSION_MS) })
    return cookie(value, SESSION_MS)
  }

  /** The session of a Cookie header, if it is a good one. Use moves its end. */
  async function find(cookies: string | undefined): Promise<BrowserSession | undefined> {
    const value = valueIn(cookies)
    if (value === undefined) return undefined
    const _id = secrets.hashToken('browser-session', value)
    const session = await browserSessions.findOne({ _id, expires_at: { $gt: new Date(clock.now()) } })
    if (session === null) return undefined
    const expires_at_ms = await renew(session)
    return { user_id: session.user_id, expires_at_ms, set_cookie: cookie(value, expires_at_ms - clock.now()) }
  }

  async function renew({ _id, expires_at }: BrowserSessionDocument): Promise<number> {
    if (expires_at.getTime() - clock.now() > RENEW_BELOW_MS) return expires_at.getTime()
    const later = new Date(clock.now() + SESSION_MS)
    try {
      // Never an upsert: who signed out in between stays signed out.
      await browserSessions.updateOne({ _id }, { $max: { expires_at: later } })
      return later.getTime()
    } catch (cause) {
      onTrouble('a browser session could not be renewed', cause)
      return expires_at.getTime() // it is good until then, and the next use tries again
    }
  }

  /** Ends the session of a Cookie header. False when there is none. */
  async function end(cookies: string | undefined, asked: Asked): Promise<boolean> {
    const value = valueIn(cookies)
    if (value === undefined) return false
    const ended = await browserSessions.findOneAndDelete({ _id: secrets.hashToken('browser-session', value) })
    if (ended !== null) audit.record({ type: 'user.signed_out', ...asked, subject: { type: 'user', id: ended.user_id } })
    return ended !== null
  }

  /** A browser drops a `__Host-` cookie from anything but https or its own machine, and says nothing: so we do. */
  function refuseWithoutCookies(): void {
    if (address.protocol === 'https:' || /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(address.hostname)) return
    throw new ParleyError('ORIGIN_DENIED', {
      detail: `The sign-in cookie needs https, except on localhost. Set PARLEY_PUBLIC_URL, now ${address.origin}, to an https address.`,
    })
  }

  return { createLink, redeem, find, end, isShown: (cookies: string | undefined) => cookies?.includes(`${COOKIE}=`) ?? false }
}

export type BrowserSignIn = ReturnType<typeof createBrowserSignIn>

export const cookieCleared = cookie('', 0)

function cookie(value: string, max_age_ms: number): string {
  return `${COOKIE}=${value}; ${COOKIE_FLAGS}; Max-Age=${Math.ceil(max_age_ms / 1_000)}`
}

/** Our cookie's value in a Cookie header (RFC 6265). */
function valueIn(cookies: string | undefined): string | undefined {
  const pairs = (cookies ?? '').split(';').map((pair) => pair.trim())
  const value = pairs.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1)
  return value !== undefined && looksLikeToken(value) ? value : undefined
}
