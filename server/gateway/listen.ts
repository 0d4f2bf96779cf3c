import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ParleyError } from '../../shared/protocol/index.ts'
import { answerBrokenRequests } from './http/answer-broken-request.ts'
import { newTraceId } from './http/correlate.ts'
import { problemOf } from './problem.ts'

export interface Listening {
  server: Server
  /** Where it answers, without a slash at the end. */
  url: string
  /** Takes over from the answer that the hub is still starting. */
  serve(listener: RequestListener): void
  close(): Promise<void>
}

/** The address is taken by another process. */
export class AddressTaken extends Error {
  constructor({ host, port }: { host: string; port: number }) {
    super(`${host}:${port} is taken by another process. Stop it, or choose another port: PARLEY_PORT=${port + 1}`)
    this.name = 'AddressTaken'
  }
}

// A client that sends its request slowly holds a connection for no longer than this.
const HEADERS_MS = 10_000
const REQUEST_MS = 30_000
const CHECK_MS = 2_000
// Longer than proxies keep theirs (60 s), so that none sends on a connection which the hub is just closing.
const KEEP_ALIVE_MS = 65_000
const MOST_HEADER_BYTES = 16_384

/** Takes the address before anything else is done, so that a second hub finds out at once. Until there is something to serve it answers 503. */
export async function listen({
  host,
  port,
  dev_mode = false,
  headers_ms = HEADERS_MS,
  request_ms = REQUEST_MS,
}: {
  host: string
  port: number
  dev_mode?: boolean
  headers_ms?: number
  request_ms?: number
}): Promise<Listening> {
  let listener: RequestListener = (request, response) => {
    const correlation_id = newTraceId()
    const refusal = new ParleyError('UNAVAILABLE', { detail: 'The hub is starting', retry_after_ms: 1_000 }).toRefusal(correlation_id)
    const body = JSON.stringify(problemOf(refusal, { status: 503, instance: request.url?.split('?')[0] ?? '/' }))
    const headers = { 'Content-Type': 'application/problem+json', 'Content-Length': Buffer.byteLength(body) }
    response.writeHead(503, { ...headers, 'Retry-After': '1', 'X-Correlation-Id': correlation_id }).end(body)
  }
  const times = { headersTimeout: headers_ms, requestTimeout: request_ms, connectionsCheckingInterval: Math.min(headers_ms, CHECK_MS) }
  const server = createServer({ ...times, keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: MOST_HEADER_BYTES }, (request, response) =>
    listener(request, response),
  )
  answerBrokenRequests(server, { dev_mode })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EADDRINUSE' ? new AddressTaken({ host, port }) : error))
    server.listen(port, host, resolve)
  })
  // The cast holds: it listens on TCP.
  const address = server.address() as AddressInfo
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return {
    server,
    url: `http://${name.includes(':') ? `[${name}]` : name}:${address.port}`,
    serve: (next) => {
      listener = next
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
