import type { IncomingHttpHeaders } from 'node:http'
import { ParleyError } from '../../shared/protocol/index.ts'
import type { Principal } from '../core/access/principal.ts'
import { cookieValue } from './cookies.ts'
import type { Csrf } from './csrf.ts'
import type { Admission } from './socket/sockets.ts'

export interface Authenticate {
  /** It counts as used unless `accept` throws. */
  key(text: string, accept?: (principal: Principal) => void): Promise<Admission>
  cookie(header: string | undefined): Promise<Admission>
  bearer(text: string): Promise<Admission>
}

/** Who sends a request. */
export interface Identified {
  principal: Principal
  /** For a browser that lacks the token which its writes need. */
  set_cookie?: string
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS'])
const COOKIE = '__Host-parley'

/**
 * Which credentials a request or a handshake shows, and whom they prove. The cookie counts only with the hub's own Origin, exactly: a
 * browser sends it whoever's page asks, but it cannot lie about that page. Writes need the token against forgery besides.
 */
export function createAdmission({ authenticate, origins, csrf }: { authenticate: Authenticate; origins: readonly string[]; csrf: Csrf }) {
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
    const { key, token, as } = typeof auth === 'object' && auth !== null ? (auth as Record<string, unknown>) : {}
    if (typeof key === 'string') return authenticate.key(key, (principal) => void onlyAs(as, { principal }))
    if (typeof token === 'string') return onlyAs(as, await authenticate.bearer(token))
    if (cookieValue(cookie, COOKIE) === undefined) throw new ParleyError('UNAUTHENTICATED')
    if (origin === undefined || !own.has(origin)) throw new ParleyError('ORIGIN_DENIED')
    return onlyAs(as, await authenticate.cookie(cookie))
  }

  /** Undefined for a request without credentials; throws for bad ones. */
  async function request({ headers, method }: { headers: IncomingHttpHeaders; method: string }): Promise<Identified | undefined> {
    if (headers.authorization !== undefined) {
      const [scheme, text] = headers.authorization.split(' ')
      if (scheme?.toLowerCase() !== 'bearer' || text === undefined) throw new ParleyError('UNAUTHENTICATED')
      return { principal: (await authenticate.bearer(text)).principal }
    }
    const session = cookieValue(headers.cookie, COOKIE)
    return session === undefined ? undefined : browser(session, { headers, method })
  }

  async function browser(session: string, { headers, method }: { headers: IncomingHttpHeaders; method: string }): Promise<Identified> {
    const { cookie, origin } = headers
    // Browsers leave the Origin away on their own reads, which no other page can see the answer of.
    if (origin === undefined ? !READS.has(method) : !own.has(origin)) throw new ParleyError('ORIGIN_DENIED')
    const { principal } = onlyAs(headers['x-parley-principal'], await authenticate.cookie(cookie))
    if (!READS.has(method)) {
      csrf.check({ session, header: single(headers['x-csrf-token']) })
      return { principal }
    }
    const set_cookie = csrf.cookieFor({ session, cookies: cookie })
    return set_cookie === undefined ? { principal } : { principal, set_cookie }
  }

  return { socket, request }
}

/**
 * A page lives longer than the browser's cookie, which another tab may have replaced by somebody else's: what it writes for the one must
 * not be recorded as the other's. Refuses UNAUTHENTICATED unless the credentials prove whom the client takes itself for.
 */
function onlyAs<T extends Pick<Admission, 'principal'>>(expected: unknown, admission: T): T {
  if (expected === undefined || expected === admission.principal.id) return admission
  throw new ParleyError('UNAUTHENTICATED', { detail: 'The credentials are of another principal than the one that the client names' })
}

function single(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}
