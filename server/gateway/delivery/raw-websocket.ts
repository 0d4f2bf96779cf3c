import type { Socket as NetSocket } from 'node:net'
import type { Socket } from 'socket.io'

/** What of engine.io's connection and of ws is used beside their public face: private, so the versions are pinned in package.json. */
interface OpenConnection {
  readyState: string
  upgrading: boolean
  writeBuffer: unknown[]
  transport: {
    name: string
    perMessageDeflate?: unknown
    socket?: { readyState: number; _socket?: NetSocket | null; _sender?: { _state: number; _queue: unknown[] } }
  }
}

const OPEN = 1
const NOT_COMPRESSING = 0
const TEXT_FRAME = 0x81
const [TWO_BYTES, EIGHT_BYTES] = [126, 127]

/**
 * The TCP connection below the socket, when what is written to it now is the next thing that the client reads: an open WebSocket whose
 * frames are plain, and nothing that waits in engine.io or ws. Undefined otherwise, and whenever any of that cannot be seen.
 */
export function wireOf(socket: Socket): NetSocket | undefined {
  const { readyState, upgrading, writeBuffer, transport } = socket.conn as unknown as OpenConnection
  if (readyState !== 'open' || upgrading || writeBuffer.length > 0) return undefined
  if (transport.name !== 'websocket' || transport.perMessageDeflate) return undefined
  const { socket: websocket } = transport
  if (websocket?.readyState !== OPEN) return undefined
  const { _socket: tcp, _sender: sender } = websocket
  if (sender?._state !== NOT_COMPRESSING || sender._queue.length > 0) return undefined
  return tcp?.writable ? tcp : undefined
}

/** Hands what is held back to the kernel now. Answers the connection when that does not take so much: its `drain` says when it has. */
export function pushOut(socket: Socket): NetSocket | undefined {
  const tcp = (socket.conn as unknown as OpenConnection).transport.socket?._socket
  if (tcp == null || tcp.destroyed) return undefined
  while (tcp.writableCorked > 0) tcp.uncork()
  return tcp.writableNeedDrain ? tcp : undefined
}

/** The text as one frame of a server (RFC 6455, 5.2: whole, and not masked). */
export function frameOf(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const begin = length > 65_535 ? 10 : length > 125 ? 4 : 2
  const frame = Buffer.allocUnsafe(begin + length)
  frame[0] = TEXT_FRAME
  frame[1] = begin === 2 ? length : begin === 4 ? TWO_BYTES : EIGHT_BYTES
  if (begin === 4) frame.writeUInt16BE(length, 2)
  if (begin === 10) frame.writeBigUInt64BE(BigInt(length), 2)
  frame.write(text, begin)
  return frame
}
