import { createHmac, randomBytes } from 'node:crypto'
import { parse as parseUuid, stringify as stringifyUuid, v7 as uuidv7 } from 'uuid'
import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { type Asked, type Audit, refusedAndRecorded } from '../../pipeline/audit.ts'
import { ACCESS_TOKEN_S, type AccessTokens } from './access-token.ts'
import { createLoginThrottle } from './login-throttle.ts'
import type { Model } from './model.ts'
import type { Secrets } from './secrets.ts'

export interface Tokens {
  access_token: string
  refresh_token: string
  expires_in: number
}

// From the last refresh: a month away means signing in again.
const REFRESH_MS = 30 * 86_400_000
const ID_BYTES = 16
const MAC_BYTES = 16
// Makes the whole a multiple of 3, so that each text stands for one token and each token for one text.
const RANDOM_BYTES = 25
const TOKEN_SHAPE = /^[\w-]{76}$/

/** Sign-in by password, for programs: a short access token, and a refresh token that is good for one use. */
export function createSessions({
  model: { users, tokenFamilies },
  secrets,
  accessTokens,
  clock,
  audit,
}: {
  model: Model
  secrets: Secrets
  accessTokens: AccessTokens
  clock: Clock
  audit: Audit
}) {
  const throttle = createLoginThrottle(clock)

  /** One answer, and about one time, for an unknown user and a wrong password. */
  async function signIn(
    { email, password, ip }: { email: string; password: string; ip: string },
    { actor, correlation_id }: Asked,
  ): Promise<Tokens> {
    const address = email.toLowerCase()
    const attempt = throttle.begin({ email: address, ip })
    try {
      const user = await users.findOne({ email: address })
      const matches = await secrets.matchesPassword(password, user?.password_hash)
      if (user === null || !matches) {
        // What was typed for an unknown user is not written down: it may be a password in the wrong field.
        const subject = { type: 'user', id: user?._id ?? 'unknown' }
        audit.record({ type: 'user.sign_in_failed', actor, correlation_id, subject, metadata: { method: 'password' } })
        throw refusedAndRecorded('UNAUTHENTICATED')
      }
      const tokens = await startFamily(user._id)
      attempt.succeeded()
      const subject = { type: 'user', id: user._id }
      const itself = { type: 'human' as const, id: user._id }
      audit.record({ type: 'user.signed_in', actor: itself, correlation_id, subject, metadata: { method: 'password', from: actor.id } })
      return tokens
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== 'UNAUTHENTICATED') attempt.undecided()
      throw error
    }
  }

  async function startFamily(user_id: string): Promise<Tokens> {
    const family_id = uuidv7({ msecs: clock.now() })
    const refresh_token = newRefreshToken(family_id)
    const now = clock.now()
    await tokenFamilies.insertOne({
      _id: family_id,
      user_id,
      hash: secrets.hashToken('refresh', refresh_token),
      generation: 1,
      created_at: new Date(now),
      expires_at: new Date(now + REFRESH_MS),
      ended_at: null,
    })
    return { access_token: accessTokens.issue(user_id), refresh_token, expires_in: ACCESS_TOKEN_S }
  }

  /** Changes the token for the next one. A token used twice means that two hold it: the family ends, for both. */
  async function refresh(old_token: string, asked: Asked): Promise<Tokens> {
    const family_id = familyOf(old_token)
    if (family_id === undefined) throw new ParleyError('UNAUTHENTICATED')
    const old_hash = secrets.hashToken('refresh', old_token)
    const refresh_token = newRefreshToken(family_id)
    const now = clock.now()
    const good = { _id: family_id, hash: old_hash, ended_at: null, expires_at: { $gt: new Date(now) } }
    const next = { hash: secrets.hashToken('refresh', refresh_token), expires_at: new Date(now + REFRESH_MS) }
    const family = await tokenFamilies.findOneAndUpdate(good, { $set: next, $inc: { generation: 1 } })
    if (family === null) {
      const used_before = { _id: family_id, hash: { $ne: old_hash }, ended_at: null }
      const ended = await tokenFamilies.findOneAndUpdate(used_before, { $set: { ended_at: new Date(now), end_reason: 'reused' } })
      const of = ended === null ? undefined : { subject: { type: 'user', id: ended.user_id }, metadata: { family_id } }
      if (of !== undefined) audit.record({ type: 'session.reused', ...asked, ...of })
      throw new ParleyError('UNAUTHENTICATED')
    }
    return { access_token: accessTokens.issue(family.user_id), refresh_token, expires_in: ACCESS_TOKEN_S }
  }

  /** Family, chance, and a seal that tells the hub's own tokens from guesses: only a true one can end a family. */
  function newRefreshToken(family_id: string): string {
    const body = Buffer.concat([parseUuid(family_id), randomBytes(RANDOM_BYTES)])
    return Buffer.concat([body, sealOf(body)]).toString('base64url')
  }

  function familyOf(token: string): string | undefined {
    if (!TOKEN_SHAPE.test(token)) return undefined
    const bytes = Buffer.from(token, 'base64url')
    const body = bytes.subarray(0, -MAC_BYTES)
    const isOurs = secrets.isSame(bytes.subarray(-MAC_BYTES).toString('hex'), sealOf(body).toString('hex'))
    return isOurs ? stringifyUuid(body.subarray(0, ID_BYTES)) : undefined
  }

  function sealOf(body: Buffer): Buffer {
    return createHmac('sha256', secrets.refreshMacKey).update(body).digest().subarray(0, MAC_BYTES)
  }

  return { signIn, refresh }
}

export type Sessions = ReturnType<typeof createSessions>
