import { ParleyError } from '../../shared/protocol/index.ts'
import type { Principal } from '../core/principal.ts'
import type { Admission } from './sockets.ts'

export interface Authenticate {
  key(text: string): Promise<Admission>
  cookie(header: string | undefined): Promise<Admission>
  bearer(text: string): Promise<Admission>
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS'])
const COOKIE = '__Host-parley='

/**
 * Which credentials a request or a handshake shows, and whom they prove. The cookie counts only with the hub's own Origin: a browser
 * sends it whoever's page asks, but it cannot lie about that page.
 */
export function createAdmission({ authenticate, origins }: { authenticate: Authenticate; origins: readonly string[] }) {
  const own = new Set(origins)

  async function socket({
    auth,
    cookie,
    origin,
  }: {
    auth: unknown
    cookie: string | undefined
    origin: string | undefined
  }): Promise<Admission> {
    const { key, token } = typeof auth === 'object' && auth !== null ? (auth as Record<string, unknown>) : {}
    if (typeof key === 'string') return authenticate.key(key)
    if (typeof token === 'string') return authenticate.bearer(token)
    if (!hasCookie(cookie)) throw new ParleyError('UNAUTHENTICATED')
    if (origin === undefined || !own.has(origin)) throw new ParleyError('ORIGIN_DENIED')
    return authenticate.cookie(cookie)
  }

  async function request({
    authorization,
    cookie,
    origin,
    method,
  }: {
    authorization: string | undefined
    cookie: string | undefined
    origin: string | undefined
    method: string
  }): Promise<Principal | undefined> {
    if (authorization !== undefined) {
      const [scheme, text] = authorization.split(' ')
      if (scheme?.toLowerCase() !== 'bearer' || text === undefined) throw new ParleyError('UNAUTHENTICATED')
      return (await authenticate.bearer(text)).principal
    }
    if (!hasCookie(cookie)) return undefined
    // Browsers leave the Origin away on their own reads, which no other page can see the answer of.
    if (origin === undefined ? !READS.has(method) : !own.has(origin)) throw new ParleyError('ORIGIN_DENIED')
    return (await authenticate.cookie(cookie)).principal
  }

  return { socket, request }
}

function hasCookie(header: string | undefined): boolean {
  return header?.includes(COOKIE) ?? false
}
