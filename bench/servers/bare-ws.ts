import { createServer } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { listenAndTell } from './listen-and-tell.ts'

/** The least a fan-out can be: `ws`, a set for each room, the text stringified once, an acknowledgement. */
const http = createServer()
const server = new WebSocketServer({ server: http, perMessageDeflate: false })
const rooms = new Map<string, Set<WebSocket>>()

server.on('connection', (socket) => {
  let room = new Set<WebSocket>()
  socket.on('message', (bytes) => {
    const text = String(bytes)
    if (text.startsWith('j')) {
      room = rooms.get(text.slice(1)) ?? new Set()
      rooms.set(text.slice(1), room.add(socket))
      return
    }
    const colon = text.indexOf(':')
    const message = `m${JSON.stringify(JSON.parse(text.slice(colon + 1)))}`
    for (const member of room) member.send(message)
    socket.send(`a${text.slice(1, colon)}`)
  })
  socket.on('close', () => room.delete(socket))
})
listenAndTell(http)
