import type { Server } from 'node:http'

/** Listens on a free port of loopback and tells the parent; ends with it. */
export function listenAndTell(http: Server): void {
  http.listen(0, '127.0.0.1', () => {
    const address = http.address()
    if (address !== null && typeof address === 'object') process.send?.({ port: address.port })
  })
  process.on('disconnect', () => process.exit(0))
}
