import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

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

/** Takes the address before anything else is done, so that a second hub finds out at once. Until there is something to serve it answers 503. */
export async function listen({ host, port }: { host: string; port: number }): Promise<Listening> {
  let listener: RequestListener = (_request, response) => {
    response.writeHead(503, { 'Content-Type': 'application/json', 'Retry-After': '1' }).end('{"status":"starting"}')
  }
  const server = createServer({ headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS }, (request, response) =>
    listener(request, response),
  )
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
