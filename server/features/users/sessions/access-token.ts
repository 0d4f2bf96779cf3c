import type { KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { z } from 'zod'
import { idSchema } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'

export const ACCESS_TOKEN_S = 900

const ALGORITHM = 'HS256'
const TYPE = 'at+jwt'
const ISSUER = 'parley'
const AUDIENCE = 'parley'
const LONGEST_TOKEN = 2_000
const KEY_PERIOD_MS = 30 * 86_400_000
const KID = /^\d{1,6}$/

const headerSchema = z.object({ alg: z.literal(ALGORITHM), typ: z.literal(TYPE), kid: z.string() })
const claimsSchema = z.object({ sub: idSchema, sid: idSchema, exp: z.int() })

export interface AccessClaims {
  user_id: string
  session_id: string
  expires_at_ms: number
}

/** JWT access tokens (RFC 9068): one algorithm, a ring of keys by `kid`, time as the hub's clock tells it, and the session that each is of. */
export function createAccessTokens({ ring, clock }: { ring: KeyRing; clock: Clock }) {
  const nowS = () => Math.floor(clock.now() / 1_000)

  function issue({ user_id, session_id }: { user_id: string; session_id: string }): string {
    const { kid, key } = ring.newest()
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: user_id, sid: session_id, iat: nowS(), exp: nowS() + ACCESS_TOKEN_S }
    return jwt.sign(claims, key, { algorithm: ALGORITHM, header: { alg: ALGORITHM, typ: TYPE, kid } })
  }

  /** Undefined for whatever is not a good token of this hub, now. Whether its session goes on is another question. */
  function verify(text: string): AccessClaims | undefined {
    if (text.length > LONGEST_TOKEN) return undefined
    try {
      const header = headerSchema.safeParse(jwt.decode(text, { complete: true })?.header)
      const key = header.success ? ring.find(header.data.kid) : undefined
      if (key === undefined) return undefined
      const checks = { algorithms: [ALGORITHM], issuer: ISSUER, audience: AUDIENCE, clockTimestamp: nowS() } satisfies jwt.VerifyOptions
      const { success, data } = claimsSchema.safeParse(jwt.verify(text, key, checks))
      return success ? { user_id: data.sub, session_id: data.sid, expires_at_ms: data.exp * 1_000 } : undefined
    } catch {
      return undefined // malformed, forged, expired or foreign: the caller learns only that it is not good
    }
  }

  return { issue, verify }
}

export type AccessTokens = ReturnType<typeof createAccessTokens>

/**
 * The keys that sign access tokens: a new one every 30 days, derived from the hub's secret, so that all hubs of one secret change at the same
 * moment and nothing is stored. A key of the period before is still good for the tokens that it signed, and one of the next for a hub whose
 * clock is a little ahead; tokens end by their own time long before their key does.
 */
export function createKeyRing({ derive, clock }: { derive(purpose: string): KeyObject; clock: Clock }) {
  const period = () => Math.floor(clock.now() / KEY_PERIOD_MS)
  const keyOf = (number: number) => derive(`access-token/${number}`)

  return {
    newest: () => ({ kid: String(period()), key: keyOf(period()) }),
    find(kid: string): KeyObject | undefined {
      if (!KID.test(kid) || Math.abs(Number(kid) - period()) > 1) return undefined
      return keyOf(Number(kid))
    },
  }
}

export type KeyRing = ReturnType<typeof createKeyRing>
