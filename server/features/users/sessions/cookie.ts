import { ParleyError } from '../../../../shared/protocol/index.ts'
import { looksLikeToken } from '../secrets.ts'

const COOKIE = '__Host-parley'
const COOKIE_FLAGS = 'Path=/; Secure; HttpOnly; SameSite=Strict'

export const cookieCleared = cookie('', 0)

export function cookie(value: string, max_age_ms: number): string {
  return `${COOKIE}=${value}; ${COOKIE_FLAGS}; Max-Age=${Math.ceil(max_age_ms / 1_000)}`
}

/** Our cookie's value in a Cookie header (RFC 6265), if it has the shape of one. */
export function cookieValue(header: string | undefined): string | undefined {
  const pairs = (header ?? '').split(';').map((pair) => pair.trim())
  const value = pairs.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1)
  return value !== undefined && looksLikeToken(value) ? value : undefined
}

export function showsCookie(header: string | undefined): boolean {
  return header?.includes(`${COOKIE}=`) ?? false
}

/** A browser drops a `__Host-` cookie from anything but https or its own machine, and says nothing: so we do. */
export function refuseWithoutCookies(public_url: string): void {
  const { protocol, hostname, origin } = new URL(public_url)
  if (protocol === 'https:' || /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return
  throw new ParleyError('ORIGIN_DENIED', {
    detail: `The sign-in cookie needs https, except on localhost. Set PARLEY_PUBLIC_URL, now ${origin}, to an https address.`,
  })
}
