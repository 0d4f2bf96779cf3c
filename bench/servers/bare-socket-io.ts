import { createServer } from 'node:http'
import { Server, type Socket } from 'socket.io'
import { listenAndTell } from './listen-and-tell.ts'

/** What most people write: Socket.IO as it comes, nothing kept. With RECOVERY=1, its connection state recovery. */
const http = createServer()
const io = new Server(http, {
  serveClient: false,
  transports: ['websocket'],
  ...(process.env['RECOVERY'] === '1' ? { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } } : {}),
})
const workers = new Map<string, Socket>()

io.on('connection', (socket) => {
  socket.on('join', ({ room, isWorker }, ack) => {
    socket.join(room)
    if (isWorker) workers.set(room, socket)
    ack({ ok: true })
  })
  socket.on('work', ({ room }, ack) => {
    workers.set(room, socket)
    ack({ ok: true })
  })
  socket.on('post', (frame, ack) => {
    io.to(frame.contract_id).emit('message', frame)
    ack({ ok: true })
  })
  socket.on('call', (frame, ack) => {
    workers.get(frame.contract_id)?.emit('call', { call_id: frame.key, ...frame }, (output: unknown) => ack({ ok: true, output }))
  })
  socket.on('flood', ({ room, count, body }, ack) => {
    for (let n = 0; n < count; n++) io.to(room).emit('message', { contract_id: room, key: String(n), body })
    ack({ ok: true })
  })
})
listenAndTell(http)
