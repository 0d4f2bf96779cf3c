import { createServer } from 'node:http'
import mongoose from 'mongoose'
import { Server } from 'socket.io'
import { listenAndTell } from './listen-and-tell.ts'

/** The hub of a first weekend: save the message, then emit it, then acknowledge. Same database, same durability as Parley's. */
const connection = await mongoose.createConnection(process.env['MONGODB_URI'] ?? '').asPromise()
const schema = new mongoose.Schema(
  { contract_id: String, key: String, body: String },
  { timestamps: true, versionKey: false, autoIndex: false, writeConcern: { w: 'majority', j: true } },
)
const Message = connection.model('NaiveMessage', schema)
const http = createServer()
const io = new Server(http, { serveClient: false, transports: ['websocket'] })

io.on('connection', (socket) => {
  socket.on('join', ({ room }, ack) => {
    socket.join(room)
    ack({ ok: true })
  })
  socket.on('post', async (frame, ack) => {
    const message = await Message.create(frame)
    io.to(frame.contract_id).emit('message', message.toObject())
    ack({ ok: true, id: message.id })
  })
})
listenAndTell(http)
