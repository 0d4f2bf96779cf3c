import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { ParleyError } from '../../shared/protocol/index.ts'
import { cookieValue } from './cookies.ts'

const CSRF_COOKIE = '__Host-parley-csrf'
const LIFE_S = 30 * 86_400

/**
 * Double submit (OWASP), bound to the session: a page of ours reads the token from a cookie that no other site can read or set, and
 * sends it as a header that no other site can send. It is an HMAC of the session, so nothing is stored, and no other session's fits.
 */
export function createCsrf(secret: string) {
  const key = Buffer.from(hkdfSync('sha256', secret, 'parley/gateway', 'csrf/1', 32))

  function tokenOf(session: string): Buffer {
    return Buffer.from(createHmac('sha256', key).update(session).digest('base64url'))
  }

  /** Throws CSRF_TOKEN_INVALID unless the header holds the token of the session. */
  function check({ session, header }: { session: string; header: string | undefined }): void {
    const [wanted, given] = [tokenOf(session), Buffer.from(header ?? '')]
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new ParleyError('CSRF_TOKEN_INVALID')
  }

  /** The cookie to set for a session whose browser does not have its token. */
  function cookieFor({ session, cookies }: { session: string; cookies: string | undefined }): string | undefined {
    const token = tokenOf(session).toString()
    if (cookieValue(cookies, CSRF_COOKIE) === token) return undefined
    return `${CSRF_COOKIE}=${token}; Path=/; Secure; SameSite=Strict; Max-Age=${LIFE_S}`
  }

  return { check, cookieFor }
}

export type Csrf = ReturnType<typeof createCsrf>
