import { join, resolve } from 'node:path'
import { EmbeddedRefusal } from '../errors.ts'

export const OWNER_FILE = 'owner.json'
export const LOG_FILE = 'embedded.log'
// sockaddr_un holds 108 bytes with the final zero on Linux, 104 on macOS. Longer paths are cut silently, so they are refused.
const MAX_SOCKET_BYTES = process.platform === 'darwin' ? 103 : 107

export function socketPathIn(directory: string): string {
  return join(resolve(directory), 'db.sock')
}

export function assertSocketPath(path: string) {
  const bytes = Buffer.byteLength(path)
  if (bytes <= MAX_SOCKET_BYTES) return
  const message = `The socket path ${path} is ${bytes} bytes long; a Unix socket takes ${MAX_SOCKET_BYTES}.`
  throw new EmbeddedRefusal('SOCKET_PATH_TOO_LONG', message, 'Name a data directory with a shorter path (PARLEY_DATA_DIR).')
}
