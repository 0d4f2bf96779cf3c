import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { type IncomingHttpHeaders, type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { isPublicAddress } from './outbound-address.ts'

export type Resolve = (hostname: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void

export interface OutboundRequest {
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: string
  /** For all of it: name, connection, request and answer. */
  timeout_ms?: number
  most_bytes?: number
}

export interface OutboundAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** Why nothing came back. `refused`: the hub does not go there, and will not later either. */
export class OutboundError extends Error {
  readonly reason: 'refused' | 'timeout' | 'too-large' | 'network'

  constructor(reason: OutboundError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OutboundError'
    this.reason = reason
  }
}

const TIMEOUT_MS = 10_000
const MOST_BYTES = 65_536
const LONGEST_URL = 2_000

/**
 * The only way to an address that a stranger may name. https and public addresses only: the spelling is checked, then each address that
 * the name resolves to, in the very look-up that the connection uses, so that no name can change in between. Redirects are answers like
 * others, and are not followed. With `allow_private` (a development hub) http and this machine are allowed.
 */
export function createOutbound({ allow_private = false, resolve = resolveBySystem }: { allow_private?: boolean; resolve?: Resolve } = {}) {
  /** The URL as it will be asked, or an OutboundError that says what is wrong with it. To be asked when one is registered, too. */
  function check(text: string): URL {
    if (text.length > LONGEST_URL || !URL.canParse(text)) throw refused('it is no URL')
    const url = new URL(text)
    if (url.protocol !== 'https:' && !(allow_private && url.protocol === 'http:')) throw refused('it is not https')
    if (url.username !== '' || url.password !== '') throw refused('it holds credentials')
    if (!allow_private && url.port !== '' && Number(url.port) < 1_024) throw refused(`port ${url.port} is for another service`)
    // URL has brought every spelling of an IPv4 address (decimal, octal, hex, short) to the one with four numbers.
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host) === 0) {
      if (!allow_private && (!host.replace(/\.$/, '').includes('.') || LOCAL_NAME.test(host)))
        throw refused('it names a host of a local network')
    } else if (!isAllowed(host)) throw refused('its address is not a public one')
    return url
  }

  const isAllowed = (address: string) => allow_private || isPublicAddress(spelledOut(address))

  const lookup: LookupFunction = (hostname, options, done) => {
    resolve(hostname, (error, addresses) => {
      const [first] = addresses
      if (error !== null || first === undefined) return done(error ?? new Error(`${hostname} has no address`), [])
      // All of them: the one that is used is not ours to choose.
      if (!addresses.every(({ address }) => isAllowed(address))) return done(refused('its name leads to an address that is not public'), [])
      if (options.all) done(null, addresses)
      else done(null, first.address, first.family)
    })
  }

  async function guardedFetch(text: string, options: OutboundRequest = {}): Promise<OutboundAnswer> {
    const url = check(text)
    const signal = AbortSignal.timeout(options.timeout_ms ?? TIMEOUT_MS)
    try {
      return await Promise.race([exchange(url, { options, lookup, signal }), givenUp(signal)])
    } catch (cause) {
      if (cause instanceof OutboundError) throw cause
      if (signal.aborted) throw new OutboundError('timeout', `${url.host} gave no answer in time`, { cause })
      throw new OutboundError('network', `${url.host} could not be reached`, { cause })
    }
  }

  return { check, guardedFetch }
}

export type Outbound = ReturnType<typeof createOutbound>

/** Names that mean the own network wherever they are asked. */
const LOCAL_NAME =
  /(^|\.)(localhost|local|internal|lan|home|corp|intranet|private|localdomain|home\.arpa|in-addr\.arpa|ip6\.arpa|onion)\.?$/i

function refused(why: string): OutboundError {
  return new OutboundError('refused', `The hub does not go to this URL: ${why}`)
}

const resolveBySystem: Resolve = (hostname, done) => systemLookup(hostname, { all: true }, done)

/** URL writes a mapped IPv4 address in hex: `::ffff:7f00:1`. */
function spelledOut(address: string): string {
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address) ?? []
  if (high === undefined || low === undefined) return address
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`
}

interface Way {
  options: OutboundRequest
  lookup: LookupFunction
  signal: AbortSignal
}

async function exchange(url: URL, way: Way): Promise<OutboundAnswer> {
  const answer = await send(url, way)
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await bodyOf(answer, way.options.most_bytes ?? MOST_BYTES) }
}

/** The request heeds the signal too; whatever it should make of a strange answer, nobody waits longer. */
function givenUp(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

function send(url: URL, { options, lookup, signal }: Way): Promise<IncomingMessage> {
  const isSecure = url.protocol === 'https:'
  // An agent of its own for each: no connection that another look-up made is used again, and no proxy of the environment.
  const agent = isSecure ? new SecureAgent({ keepAlive: false }) : new PlainAgent({ keepAlive: false })
  return new Promise((resolve, reject) => {
    const asked = (isSecure ? secureRequest : plainRequest)(url, {
      ...{ method: options.method ?? 'GET', agent, lookup, signal },
      headers: { 'Accept-Encoding': 'identity', 'User-Agent': 'parley', ...options.headers },
    })
    asked.on('error', reject)
    asked.on('response', resolve)
    asked.on('upgrade', (_answer, socket) => {
      socket.destroy()
      reject(new Error('the answer wants another protocol'))
    })
    // Behind a response or an error this changes nothing.
    asked.on('close', () => reject(new Error('the connection closed without an answer')))
    asked.end(options.body)
  })
}

async function bodyOf(answer: IncomingMessage, most_bytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > most_bytes) {
      answer.destroy()
      throw new OutboundError('too-large', `The answer has more than ${most_bytes} bytes`)
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}
