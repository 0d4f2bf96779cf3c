import type { Socket as NetSocket } from 'node:net'
import type { Socket } from 'socket.io'
import { frameOf, wireOf } from './raw-websocket.ts'

/** How pushes and answers leave the hub. Whatever the way, a client reads the same bytes in the same order. */
export interface FanOut {
  /** One push, whose payload is JSON text already, to each of the sockets. Told again `of` the same object, it is not encoded again. */
  tell(sockets: readonly Socket[], type: string, json: string, of?: object): void
  /** Answers a frame: by the id under which it came, or, without one, by the function that Socket.IO gave for it. */
  /** Answers how many characters the body has. */
  answer(socket: Socket, to: { id: number | undefined; reply(body: unknown): void }, body: object): number
  /** Frames so far: written straight to TCP, and handed to engine.io's queue. */
  written(): { direct: number; queued: number }
}

/** A frame, in the two shapes in which it may leave. */
interface Packet {
  /** As engine.io takes it. */
  text: string
  frame: Buffer
}

const [EVENT, ACK] = [2, 3]
/** Engine.IO's packet type, which its own queue puts in front. */
const MESSAGE = '4'
// What is held back for one connection; past it a turn's frames go out in more than one piece.
const MOST_HELD_BYTES = 65_536

/**
 * Encodes a frame once for all its readers, and writes it straight to their TCP connections, where nothing waits before it; else it goes
 * behind what waits, in engine.io's queue. What a connection is told within one turn of the event loop leaves in one piece.
 */
export function createFanOut(namespace: string): FanOut {
  const held: NetSocket[] = []
  const encoded = new WeakMap<object, Packet>()
  let isDue = false
  let direct = 0
  let queued = 0

  function tell(sockets: readonly Socket[], type: string, json: string, of?: object): void {
    const known = of && encoded.get(of)
    const packet = known ?? packetOf(`${EVENT}${namespace},["${type}",${json}]`)
    if (of !== undefined && known === undefined) encoded.set(of, packet)
    for (const socket of sockets) send(socket, packet)
  }

  function answer(socket: Socket, { id, reply }: { id: number | undefined; reply(body: unknown): void }, body: object): number {
    const json = JSON.stringify(body)
    if (id === undefined) reply(body)
    else send(socket, packetOf(`${ACK}${namespace},${id}[${json}]`))
    return json.length
  }

  function send(socket: Socket, packet: Packet): void {
    const tcp = wireOf(socket)
    if (tcp === undefined) {
      queue(socket, packet)
      return
    }
    if (tcp.writableCorked === 0) hold(tcp)
    tcp.write(packet.frame)
    direct++
    if (tcp.writableLength > MOST_HELD_BYTES) tcp.uncork()
  }

  function queue(socket: Socket, { text, frame }: Packet): void {
    if (!socket.connected) return
    queued++
    // As Socket.IO's own adapter does it: polling takes the text, a WebSocket the frame. The cast holds: the client's face is not public.
    const client = socket.client as unknown as { writeToEngine(packets: string[], options: object): void }
    client.writeToEngine([text], { preEncoded: true, wsPreEncodedFrame: [frame] })
  }

  /** Until this turn's work is done: what has come in is read first, and the database has been given its next commit. */
  function hold(tcp: NetSocket): void {
    tcp.cork()
    held.push(tcp)
    if (isDue) return
    isDue = true
    setImmediate(letGo)
  }

  function letGo(): void {
    isDue = false
    for (const tcp of held.splice(0)) tcp.uncork()
  }

  return { tell, answer, written: () => ({ direct, queued }) }
}

function packetOf(text: string): Packet {
  return { text, frame: frameOf(MESSAGE + text) }
}

/** Slower, and never wrong: Socket.IO's public face alone. */
export function createEmitFanOut(): FanOut {
  let queued = 0
  return {
    tell: (sockets, type, json) => {
      const payload: unknown = JSON.parse(json)
      for (const socket of sockets) socket.emit(type, payload)
      queued += sockets.length
    },
    answer: (_socket, { reply }, body) => {
      reply(body)
      return JSON.stringify(body).length
    },
    written: () => ({ direct: 0, queued }),
  }
}
