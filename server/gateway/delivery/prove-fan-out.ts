import { once } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, connect, type Socket as NetSocket } from 'node:net'
import { Server, type Socket } from 'socket.io'
import { backlogOf } from './backlog.ts'
import type { FanOut } from './fan-out.ts'
import { measuredOf, measuredParser } from './measured-parser.ts'
import { wireOf } from './raw-websocket.ts'

const NAMESPACE = '/rooms'
const PATIENCE_MS = 5_000
const [BEGIN, END] = ['the beginning', 'the end']
const HANDSHAKE =
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cHJvdmUgdGhlIGZhbm91dA==\r\n\r\n'
/** One for each length that a frame can say in its own way, and letters of more than one byte. */
const payloads = [{ n: 1 }, { text: 'ü → 𝄞 "\\ \n' }, { text: 'x'.repeat(1_000) }, { text: 'é'.repeat(40_000) }]

type Say = (push: { type: string; payload: object }, at: number, socket: Socket) => void

/**
 * Sends the same pushes and answers by `emit` and by the fan-out, over a real WebSocket to itself, and compares what comes out: the
 * fan-out uses private fields of libraries, and another version must make the hub slower, never wrong. Resolves to what is wrong.
 */
export async function proveFanOut(fanOut: FanOut): Promise<string | undefined> {
  const http = createServer()
  const io = new Server(http, { parser: measuredParser, transports: ['websocket'], serveClient: false, pingInterval: PATIENCE_MS * 2 })
  let late: NodeJS.Timeout | undefined
  try {
    const tooLate = new Promise<string>((resolve) => {
      late = setTimeout(() => resolve('the proof took too long'), PATIENCE_MS)
    })
    return await Promise.race([compare(http, io, fanOut), tooLate])
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause)
  } finally {
    clearTimeout(late)
    io.disconnectSockets(true)
    await io.close()
  }
}

async function compare(http: HttpServer, io: Server, fanOut: FanOut): Promise<string | undefined> {
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  // The cast holds: it listens on TCP.
  const { port } = http.address() as AddressInfo
  const tcp = connect(port, '127.0.0.1')
  const client = readerOf(tcp)
  try {
    const connected = once(io.of(NAMESPACE), 'connection') as Promise<[Socket]>
    tcp.write(HANDSHAKE)
    await client.until('pingTimeout')
    tcp.write(maskedFrame(`40${NAMESPACE},`))
    const [socket] = await connected
    await client.until('"sid"')

    const by = hearing({ socket, tcp, client })
    const byEmit = await by({ say: emit, answer: ({ reply }, body) => reply(body) })
    if (wireOf(socket) === undefined) return 'the TCP connection below an open WebSocket is not seen'
    if (!heldBytesAreSeen(socket, fanOut)) return 'bytes that were not sent yet are not seen'
    const say: Say = (push, at) => (at % 3 === 2 ? emit(push, at, socket) : fanOut.tell([socket], push.type, JSON.stringify(push.payload)))
    const byFanOut = await by({ say, answer: (to, body) => fanOut.answer(socket, to, body) })
    return byEmit.equals(byFanOut) ? undefined : 'a client would read other bytes than by emit'
  } finally {
    tcp.destroy()
  }
}

const emit: Say = ({ type, payload }, _at, socket) => void socket.emit(type, payload)

/** What the client reads of a row of pushes and, between them, the answers to two frames of its own. */
function hearing({ socket, tcp, client }: { socket: Socket; tcp: NetSocket; client: Reader }) {
  let onFrame = (_packet: unknown[]) => {}
  socket.use((packet: unknown[]) => onFrame(packet))

  return async function hear({ say, answer }: { say: Say; answer(to: Parameters<FanOut['answer']>[1], body: object): void }) {
    let at = 0
    const sayAll = () => {
      for (const payload of payloads) say({ type: 'events', payload }, at++, socket)
    }
    socket.emit(BEGIN)
    await client.until(`${BEGIN}"]`)
    onFrame = (packet) => {
      sayAll()
      answer({ id: measuredOf(packet).id, reply: packet.at(-1) as (body: unknown) => void }, { ok: true, text: 'ü' })
      sayAll()
      if (packet[0] === 'last') socket.emit(END)
    }
    tcp.write(Buffer.concat([maskedFrame(`42${NAMESPACE},7["first"]`), maskedFrame(`42${NAMESPACE},8["last"]`)]))
    return client.until(END)
  }
}

/** What is written but not sent must count as the client's backlog, or one that does not read would never be noticed. */
function heldBytesAreSeen(socket: Socket, fanOut: FanOut): boolean {
  const text = JSON.stringify('x'.repeat(1_000))
  fanOut.tell([socket], 'events', text)
  return backlogOf(socket).bytes() >= text.length
}

/** Reads the bytes of the connection up to a mark, and begins anew behind it. */
function readerOf(tcp: NetSocket) {
  let bytes = Buffer.alloc(0)
  let look = () => {}
  tcp.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    look()
  })
  tcp.on('error', () => {}) // the proof then takes too long, which is an answer
  return {
    until: (mark: string) =>
      new Promise<Buffer>((resolve) => {
        look = () => {
          const at = bytes.indexOf(mark)
          if (at === -1) return
          look = () => {}
          const heard = bytes.subarray(0, at)
          bytes = bytes.subarray(at + mark.length)
          resolve(heard)
        }
        look()
      }),
  }
}

type Reader = ReturnType<typeof readerOf>

/** A client's frame (RFC 6455): masked, here with zeros. */
function maskedFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
