import type { Socket } from 'socket.io'
import { pushOut } from './raw-websocket.ts'

/** What of engine.io's connection is read: private, so the versions are pinned in package.json. */
interface OpenConnection {
  writeBuffer: { data?: unknown; options?: { wsPreEncodedFrame?: unknown } }[]
  transport: { socket?: { bufferedAmount?: number; terminate?(): void; _socket?: { bytesWritten: number; writableLength: number } | null } }
  on(event: 'drain', run: () => void): void
  close(discard?: boolean): void
}

export interface Backlog {
  /** Bytes that were sent to the client and have not left the process: engine.io's queue and the kernel's. */
  bytes(): number
  /** Hands over what is held back until the end of this turn: that says nothing of the client. */
  pushOut(): void
  /** Grows whenever something left the process. A queue that stays long may still move; one whose progress stands does not. */
  progress(): number
  /** Ends the connection without waiting for a client that does not read. */
  cut(): void
}

/** How far one client is behind in reading. */
export function backlogOf(socket: Socket): Backlog {
  const conn = socket.conn as unknown as OpenConnection
  let drains = 0
  conn.on('drain', () => drains++)
  let counted = { buffer: conn.writeBuffer, packets: 0, bytes: 0 }

  // The buffer only grows until it is handed over, and is then a new one: each packet is looked at once.
  function inBuffer(): number {
    const buffer = conn.writeBuffer
    if (buffer !== counted.buffer || buffer.length < counted.packets) counted = { buffer, packets: 0, bytes: 0 }
    for (; counted.packets < buffer.length; counted.packets++) counted.bytes += sizeOf(buffer[counted.packets]?.data)
    return counted.bytes
  }

  return {
    bytes: () => inBuffer() + (conn.transport.socket?.bufferedAmount ?? 0),
    pushOut: () => void pushOut(socket),
    progress: () => {
      const tcp = conn.transport.socket?._socket
      return tcp == null ? drains : tcp.bytesWritten - tcp.writableLength
    },
    cut: () => {
      conn.close(true)
      conn.transport.socket?.terminate?.()
    },
  }
}

function sizeOf(data: unknown): number {
  if (typeof data === 'string') return data.length
  return ArrayBuffer.isView(data) ? data.byteLength : 0
}
