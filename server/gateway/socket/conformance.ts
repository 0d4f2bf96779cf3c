import type { Server, ServerOptions } from 'socket.io'

/** Times so short that a protocol suite sees each of them pass within a second, and the payload that it expects to be told. */
export const conformanceOptions = {
  pingInterval: 300,
  pingTimeout: 200,
  connectTimeout: 1_000,
  maxHttpBufferSize: 1_000_000,
  transports: ['polling', 'websocket'],
} satisfies Partial<ServerOptions>

/** Namespaces that answer with what they are sent, to anyone: they reach nothing of the hub. `/rooms` is as it always is. */
export function addEchoes(io: Server): void {
  for (const name of ['/', '/custom']) {
    io.of(name).on('connection', (socket) => {
      socket.emit('auth', socket.handshake.auth)
      socket.on('message', (...args: unknown[]) => socket.emit('message-back', ...args))
      socket.on('message-with-ack', (...args: unknown[]) => {
        const answer = args.pop()
        if (typeof answer === 'function') answer(...args)
      })
    })
  }
}
