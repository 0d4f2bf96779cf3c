import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import proxyaddr from 'proxy-addr'

/** How many proxies stand before the hub, or which addresses they have (also ranges, and `loopback`, `linklocal`, `uniquelocal`). */
export type TrustProxy = number | readonly string[]

/**
 * The address that a request or a handshake comes from. `X-Forwarded-For` counts only as far as it was written by a proxy that the
 * hub was told of: anyone can send the header.
 */
export function createClientAddress(trust: TrustProxy | undefined): (request: IncomingMessage) => string {
  const trusts = compile(trust)
  return (request) => {
    const direct = request.socket.remoteAddress ?? ''
    const told = trusts === undefined ? direct : proxyaddr(request, trusts)
    return plain(isIP(told) === 0 ? direct : told)
  }
}

function compile(trust: TrustProxy | undefined): ((address: string, hop: number) => boolean) | undefined {
  if (trust === undefined || trust === 0) return undefined
  if (typeof trust === 'number') return (_address, hop) => hop < trust
  return proxyaddr.compile([...trust])
}

/** An IPv4 address is the same one when it comes over an IPv6 socket. */
function plain(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
}
