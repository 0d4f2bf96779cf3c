import { type AuditType, ParleyError } from '../../../shared/protocol/index.ts'
import { byOf, type Principal } from '../../core/access/principal.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import { type Asked, type Audit, recordThenAct, refusedAndRecorded } from '../../pipeline/audit.ts'
import type { LinkDocument, LinkKind, Model, UserDocument } from './model.ts'
import { next } from './passwords.ts'
import { looksLikeToken, newToken, type Secrets } from './secrets.ts'
import { refuseWithoutCookies } from './sessions/cookie.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

interface LinkKindRow {
  ms: number
  status: UserDocument['status']
  page: string
  created: AuditType | undefined
  spent: string
}

/** How long each is good, whose it can be, where it leads, and what is told when it is not good. */
const kinds = {
  'sign-in': {
    ms: 15 * MINUTE_MS,
    status: 'active',
    page: '/app/sign-in',
    created: 'sign_in_link.created',
    spent: 'The link was used before, is older than 15 minutes, or is not one of ours. Ask for a new one; `scripts/start` prints one.',
  },
  // By mail, and over a weekend.
  invitation: {
    ms: 7 * 24 * HOUR_MS,
    status: 'invited',
    page: '/app/invitation',
    // That the user is invited is recorded already.
    created: undefined,
    spent: 'The invitation was used before, is older than 7 days, was replaced by a newer one, or is not one of ours. Ask for a new one.',
  },
  // A person carries it to another one, who may be asleep.
  'password-reset': {
    ms: 24 * HOUR_MS,
    status: 'active',
    page: '/app/password-reset',
    created: 'password_reset_link.created',
    spent: 'The link was used before, is older than 24 hours, or is not one of ours. Ask for a new one.',
  },
} as const satisfies Record<LinkKind, LinkKindRow>

/** Links that work once, each for one user. Their secret is 256 random bits, of which the store has a hash. */
export function createOneTimeLinks({
  model: { users, links },
  secrets,
  clock,
  audit,
  public_url,
  onEnd,
}: {
  model: Model
  secrets: Secrets
  clock: Clock
  audit: Audit
  public_url: string
  /** All sessions of the user have ended: what they hold open must not go on once this resolves. */
  onEnd(user_id: string): Promise<void>
}) {
  async function create(
    kind: LinkKind,
    user: UserDocument,
    { by, asked }: { by: Principal; asked: Asked },
  ): Promise<{ url: string; expires_at: string }> {
    const { status, ms, page, created } = kinds[kind]
    refuseWithoutCookies(public_url)
    if (user.status !== status) throw new ParleyError('USER_STATUS', { status: user.status, wanted: status })
    const token = newToken()
    const now = clock.now()
    const link: LinkDocument = {
      _id: secrets.hashToken(kind, token),
      kind,
      user_id: user._id,
      sessions_version: user.sessions_version,
      created_at: new Date(now),
      created_by: byOf(by),
      expires_at: new Date(now + ms),
      used_at: null,
    }
    if (created === undefined) await links.insertOne(link)
    else await recordThenAct(audit, { type: created, ...asked, subject: { type: 'user', id: user._id } }, () => links.insertOne(link))
    // Behind the #, a browser keeps it to itself: it reaches no log and no referrer.
    return { url: `${public_url.replace(/\/+$/, '')}${page}#token=${token}`, expires_at: isoTime(now + ms) }
  }

  /** Whose it is, without using it. */
  async function look(kind: LinkKind, token: string, asked: Asked): Promise<{ link: LinkDocument; user: UserDocument }> {
    const link = looksLikeToken(token) ? await links.findOne(unused(kind, token)) : null
    const user = link && (await users.findOne({ _id: link.user_id, status: kinds[kind].status, sessions_version: link.sessions_version }))
    return link && user ? { link, user } : spent(kind, asked)
  }

  /** Answers the user whom the link signs in. */
  async function signIn(token: string, asked: Asked): Promise<UserDocument> {
    refuseWithoutCookies(public_url)
    const { user } = await look('sign-in', token, asked)
    const { modifiedCount } = await links.updateOne(unused('sign-in', token), { $set: { used_at: new Date(clock.now()) } })
    return modifiedCount === 1 ? user : spent('sign-in', asked)
  }

  /** The user's one document decides who is first: with its new number this link, and every other one of the user, is spent. */
  async function setPassword(
    kind: 'invitation' | 'password-reset',
    { token, password }: { token: string; password: string },
    asked: Asked,
  ): Promise<UserDocument> {
    refuseWithoutCookies(public_url)
    const { link } = await look(kind, token, asked)
    const password_hash = await secrets.hashPassword(password)
    const as_it_was = { _id: link.user_id, status: kinds[kind].status, sessions_version: link.sessions_version }
    const changed = (await users.findOneAndUpdate(as_it_was, next(password_hash), { returnDocument: 'after' })) ?? spent(kind, asked)
    audit.record({ type: 'user.password_changed', ...asked, subject: { type: 'user', id: changed._id }, metadata: { method: kind } })
    await onEnd(changed._id)
    return changed
  }

  function spent(kind: LinkKind, asked: Asked): never {
    audit.record({ type: 'user.sign_in_failed', ...asked, subject: { type: 'user', id: 'unknown' }, metadata: { method: kind } })
    throw refusedAndRecorded('UNAUTHENTICATED', { detail: kinds[kind].spent })
  }

  const unused = (kind: LinkKind, token: string) => ({
    ...{ _id: secrets.hashToken(kind, token), kind, used_at: null },
    expires_at: { $gt: new Date(clock.now()) },
  })

  return { create, look, signIn, setPassword }
}

export type OneTimeLinks = ReturnType<typeof createOneTimeLinks>
