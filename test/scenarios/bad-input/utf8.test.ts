import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import { type Stage, setStage, until } from '../stage.ts'

const CLOSE = 0x88
/** RFC 6455, 7.4.1: a message whose bytes are not of its type. */
const NOT_UTF8 = 1_007

/** Bytes over the socket that are no text. A client that can write frames by itself: `WebSocket` sends well-formed text only. */
describe('bad input: bytes that are no UTF-8', () => {
  let stage: Stage

  before(async () => {
    stage = await setStage()
  })

  afterEach(() => stage.mustBeSound())
  after(() => stage.close())

  async function openRaw() {
    const { port } = new URL(stage.hub.url)
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': btoa('sixteen bytes ok'),
    }
    const asked = request({ port, host: '127.0.0.1', path: '/socket.io/?EIO=4&transport=websocket', headers }).end()
    const [, socket, head] = (await once(asked, 'upgrade')) as [unknown, Socket, Buffer]
    let heard = head
    socket.on('data', (bytes) => {
      heard = Buffer.concat([heard, bytes])
    })
    return {
      heard: () => heard,
      /** A text frame under a mask of zeros, which changes nothing (RFC 6455, 5.3). */
      send: (...parts: (string | number[])[]) => {
        const bytes = Buffer.concat(parts.map((part) => Buffer.from(part as string)))
        const length = Buffer.from([0x80 | 126, bytes.length >> 8, bytes.length & 255])
        socket.write(Buffer.concat([Buffer.from([0x81]), length, Buffer.alloc(4), bytes]))
      },
      close: () => socket.destroy(),
    }
  }

  it('[BAD-42] a websocket message that is no UTF-8 ends its connection with 1007, and nothing of it is kept', async () => {
    const { requester, contract_id } = stage
    const post = (body: (string | number[])[]) => [
      `42/rooms,7["message.post",{"contract_id":"${contract_id}","key":"${randomUUID()}","body":"`,
      ...body,
      '"}]',
    ]
    const before = (await stage.log()).length
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0xbd]]) {
      const raw = await openRaw()
      raw.send(`40/rooms,${JSON.stringify(requester.auth)}`)
      await until('the namespace opens', () => raw.heard().includes('40/rooms,{'))
      raw.send(...post(['a', bytes, 'b']))
      const closed = () => raw.heard().indexOf(Buffer.from([CLOSE, 2, NOT_UTF8 >> 8, NOT_UTF8 & 255]))
      await until('it is closed for that', () => closed() >= 0)
      expect(raw.heard().includes('43/rooms,7'), 'not acknowledged').to.equal(false)
      raw.close()
    }
    expect((await stage.log()).length).to.equal(before)
    const raw = await openRaw()
    raw.send(`40/rooms,${JSON.stringify(requester.auth)}`)
    await until('the namespace opens', () => raw.heard().includes('40/rooms,{'))
    raw.send(...post([[0xf0, 0x9f, 0x98, 0x80]]))
    await until('a whole letter is taken', () => raw.heard().includes('43/rooms,7'))
    expect((await stage.log()).at(-1)?.data['body']).to.equal('😀')
    raw.close()
  })
})
