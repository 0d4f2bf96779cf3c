import { createRequire } from 'node:module'

/** What of the driver's connection is used: private, so its version is pinned in package.json, and a test says whether this still works. */
interface OpenConnection {
  closed: boolean
  /** Why it closed. */
  error: Error | null
  once(event: 'close', run: () => void): void
  off(event: 'close', run: () => void): void
  writeCommand: WriteCommand
}

type WriteCommand = (this: OpenConnection, command: unknown, options: unknown) => Promise<void>

const guarded = Symbol('guarded')

/**
 * Makes a connection that closes end the write that is under way on it, with the reason for which it closed. The driver (7.8) waits for
 * `drain` alone: on a socket that closes between the look at it and the write that never comes, and the operation would never end, nor
 * would the sweep, the stream or the room that waits for it. Done once for the process, however often it is asked for.
 */
export function endDeadWrites(): void {
  // By mongoose's own way to the driver, for that is the one which is used.
  const { Connection } = createRequire(createRequire(import.meta.url).resolve('mongoose'))('mongodb/lib/cmap/connection.js') as {
    Connection: { prototype: OpenConnection & { [guarded]?: true } }
  }
  const { prototype } = Connection
  if (prototype[guarded]) return
  const write = prototype.writeCommand
  prototype[guarded] = true
  prototype.writeCommand = function (command, options) {
    return new Promise<void>((resolve, reject) => {
      const onClose = () => reject(this.error ?? new Error('the connection closed'))
      this.once('close', onClose)
      write
        .call(this, command, options)
        .finally(() => this.off('close', onClose))
        .then(resolve, reject)
      if (this.closed) onClose()
    })
  }
}
