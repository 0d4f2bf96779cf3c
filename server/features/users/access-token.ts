import type { KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { z } from 'zod'
import { idSchema } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'

export const ACCESS_TOKEN_S = 900

const ALGORITHM = 'HS256'
const TYPE = 'at+jwt'
const ISSUER = 'parley'
const AUDIENCE = 'parley'
const LONGEST_TOKEN = 2_000

const headerSchema = z.object({ alg: z.literal(ALGORITHM), typ: z.literal(TYPE), kid: z.string() })
const claimsSchema = z.object({ sub: idSchema, exp: z.int() })

/** JWT access tokens (RFC 9068): one algorithm, a ring of keys by `kid`, and time as the hub's clock tells it. */
export function createAccessTokens({ keys, clock }: { keys: ReadonlyMap<string, KeyObject>; clock: Clock }) {
  const nowS = () => Math.floor(clock.now() / 1_000)

  function issue(user_id: string): string {
    const newest = [...keys].at(-1)
    if (newest === undefined) throw new Error('the ring of signing keys is empty')
    const [kid, key] = newest
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: user_id, iat: nowS(), exp: nowS() + ACCESS_TOKEN_S }
    return jwt.sign(claims, key, { algorithm: ALGORITHM, header: { alg: ALGORITHM, typ: TYPE, kid } })
  }

  /** Undefined for whatever is not a good token of this hub, now. */
  function verify(text: string): { user_id: string; expires_at_ms: number } | undefined {
    if (text.length > LONGEST_TOKEN) return undefined
    try {
      const header = headerSchema.safeParse(jwt.decode(text, { complete: true })?.header)
      const key = header.success ? keys.get(header.data.kid) : undefined
      if (key === undefined) return undefined
      const checks = { algorithms: [ALGORITHM], issuer: ISSUER, audience: AUDIENCE, clockTimestamp: nowS() } satisfies jwt.VerifyOptions
      const claims = claimsSchema.safeParse(jwt.verify(text, key, checks))
      return claims.success ? { user_id: claims.data.sub, expires_at_ms: claims.data.exp * 1_000 } : undefined
    } catch {
      return undefined // malformed, forged, expired or foreign: the caller learns only that it is not good
    }
  }

  return { issue, verify }
}

export type AccessTokens = ReturnType<typeof createAccessTokens>
