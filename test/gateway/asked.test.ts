import { expect } from 'chai'
import { Server, type Socket } from 'socket.io'
import { io } from 'socket.io-client'
import { Asked } from '../../server/gateway/socket/asked.ts'

/** What Socket.IO keeps until an acknowledgement comes. */
const kept = (socket: Socket) => (socket as unknown as { acks: Map<number, unknown> }).acks.size

describe('what a connection is asked', () => {
  it('[CALL-30] what is settled leaves nothing behind on the connection, and an acknowledgement that comes after it is nothing', async () => {
    const server = new Server(0, { transports: ['websocket'] })
    const address = server.httpServer.address() as { port: number }
    const connected = new Promise<Socket>((resolve) => server.on('connection', resolve))
    const client = io(`http://127.0.0.1:${address.port}`, { transports: ['websocket'] })
    const late: (() => void)[] = []
    const heard = new Promise<void>((resolve) => client.on('second', () => resolve()))
    client.on('first', (_payload, ack: () => void) => late.push(ack))
    client.on('third', (_payload, ack: () => void) => ack())
    const socket = await connected
    const asked = new Asked()
    const answers = [asked.ask(socket, 'first', {}, 'one'), asked.ask(socket, 'second', {}, 'two'), asked.ask(socket, 'third', {}, 'three')]
    await heard
    asked.settle('one')
    asked.settle('unknown')
    late[0]?.()
    expect(await answers[2]).to.equal(true)
    asked.end()
    expect(await Promise.all(answers)).to.deep.equal([false, false, true])
    expect(kept(socket)).to.equal(0)
    client.disconnect()
    await server.close()
  })
})
