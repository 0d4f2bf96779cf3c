import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

/** One websocket, as light as a load generator's must be: texts only, and nothing is decoded that nobody looks at. */
export interface Wire {
  send(text: string): void
  /** Drops the connection as a network does. */
  cut(): void
}

export interface WireOptions {
  port: number
  path: string
  /** Called before the first text: it may come in one piece with the handshake. */
  onOpen(wire: Wire): void
  /** The text's bytes, good until the call returns. */
  onText(text: Buffer): void
  onClose(): void
}

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])
const [TEXT, CLOSE, PING, PONG] = [1, 8, 9, 10]

/** Opens a websocket (RFC 6455, no extensions). Rejects when the handshake is refused. */
export function openWire({ port, path, onOpen, onText, onClose }: WireOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const wire: Wire = { send: (text) => void socket.write(frameOf(TEXT, Buffer.from(text))), cut: () => socket.resetAndDestroy() }
    let isOpen = false
    let rest: Buffer = Buffer.alloc(0)
    socket.on('connect', () => socket.write(handshake(port, path)))
    socket.on('error', reject)
    socket.on('close', () => (isOpen ? onClose() : reject(new Error('the connection was closed before it was open'))))
    socket.on('data', (chunk: Buffer) => {
      let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      if (!isOpen) {
        const end = bytes.indexOf('\r\n\r\n')
        if (end === -1) rest = bytes
        if (end === -1) return
        const status = bytes.toString('latin1', 0, 12)
        if (status !== 'HTTP/1.1 101') return void socket.destroy(new Error(`no websocket: ${status}`))
        isOpen = true
        bytes = bytes.subarray(end + 4)
        onOpen(wire)
        resolve()
      }
      rest = readFrames(bytes, socket, onText)
    })
  })
}

function handshake(port: number, path: string): string {
  const key = randomBytes(16).toString('base64')
  return (
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`
  )
}

/** Hands on every whole frame, and answers what is left. */
function readFrames(bytes: Buffer, socket: Socket, onText: (text: Buffer) => void): Buffer {
  let at = 0
  for (;;) {
    if (bytes.length - at < 2) break
    const opcode = (bytes[at] ?? 0) & 15
    let length = (bytes[at + 1] ?? 0) & 127
    let begin = at + 2
    if (length === 126) {
      if (bytes.length - at < 4) break
      length = bytes.readUInt16BE(at + 2)
      begin = at + 4
    } else if (length === 127) {
      if (bytes.length - at < 10) break
      length = Number(bytes.readBigUInt64BE(at + 2))
      begin = at + 10
    }
    if (bytes.length < begin + length) break
    const payload = bytes.subarray(begin, begin + length)
    if (opcode === TEXT) onText(payload)
    else if (opcode === PING) socket.write(frameOf(PONG, payload))
    else if (opcode === CLOSE) socket.end()
    at = begin + length
  }
  return at === 0 ? bytes : bytes.subarray(at)
}

function frameOf(opcode: number, payload: Buffer): Buffer {
  const long = payload.length > 65_535 ? 8 : payload.length > 125 ? 2 : 0
  const frame = Buffer.allocUnsafe(2 + long + 4 + payload.length)
  frame[0] = 128 | opcode
  frame[1] = 128 | (long === 8 ? 127 : long === 2 ? 126 : payload.length)
  if (long === 2) frame.writeUInt16BE(payload.length, 2)
  if (long === 8) frame.writeBigUInt64BE(BigInt(payload.length), 2)
  MASK.copy(frame, 2 + long)
  for (let at = 0; at < payload.length; at++) frame[6 + long + at] = (payload[at] ?? 0) ^ (MASK[at & 3] ?? 0)
  return frame
}
