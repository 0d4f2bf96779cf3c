import type { Socket } from 'socket.io'
import { pushOut } from './raw-websocket.ts'

/** What of engine.io's connection is read: private, so the versions are pinned in package.json. */
interface OpenConnection {
  writeBuffer: { data?: unknown; options?: { wsPreEncodedFrame?: unknown } }[]
  transport: { socket?: { bufferedAmount?: number; terminate?(): void; _socket?: Tcp | null } }
  close(discard?: boolean): void
}

/** Of what was handed to the kernel, `writeQueueSize` is what it has not taken yet: Node itself counts a write only when the whole of it is gone. */
interface Tcp {
  bytesWritten: number
  writableLength: number
  _handle?: { writeQueueSize?: number } | null
}

export interface Backlog {
  /** Bytes that were sent to the client and have not left the process: engine.io's queue and the kernel's. */
  bytes(): number
  /** Hands over what is held back until the end of this turn: that says nothing of the client. */
  pushOut(): void
  /** Changes whenever something left the process. A queue that stays long may still move; one whose progress stands does not. */
  progress(): number
  /** Ends the connection without waiting for a client that does not read. */
  cut(): void
}

/** How far one client is behind in reading. */
export function backlogOf(socket: Socket): Backlog {
  return new SocketBacklog(socket)
}

/** A class, for every connection has one. */
class SocketBacklog implements Backlog {
  readonly #socket: Socket
  readonly #conn: OpenConnection
  #flushes = 0
  #seen: OpenConnection['writeBuffer'] | undefined
  #buffer: OpenConnection['writeBuffer'] | undefined
  #packets = 0
  #bytes = 0

  constructor(socket: Socket) {
    this.#socket = socket
    this.#conn = socket.conn as unknown as OpenConnection
  }

  bytes(): number {
    return this.#inBuffer() + (this.#conn.transport.socket?.bufferedAmount ?? 0)
  }

  pushOut(): void {
    pushOut(this.#socket)
  }

  progress(): number {
    const tcp = this.#conn.transport.socket?._socket
    return tcp == null ? this.#flushed() : tcp.bytesWritten - tcp.writableLength - (tcp._handle?.writeQueueSize ?? 0)
  }

  cut(): void {
    this.#conn.close(true)
    this.#conn.transport.socket?.terminate?.()
  }

  // engine.io takes a new buffer whenever it hands the old one over.
  #flushed(): number {
    if (this.#conn.writeBuffer !== this.#seen) this.#flushes++
    this.#seen = this.#conn.writeBuffer
    return this.#flushes
  }

  // The buffer only grows until it is handed over, and is then a new one: each packet is looked at once.
  #inBuffer(): number {
    const buffer = this.#conn.writeBuffer
    if (buffer !== this.#buffer || buffer.length < this.#packets) {
      this.#buffer = buffer
      this.#packets = 0
      this.#bytes = 0
    }
    for (; this.#packets < buffer.length; this.#packets++) this.#bytes += sizeOf(buffer[this.#packets]?.data)
    return this.#bytes
  }
}

function sizeOf(data: unknown): number {
  if (typeof data === 'string') return data.length
  return ArrayBuffer.isView(data) ? data.byteLength : 0
}
