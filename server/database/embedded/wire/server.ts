import { createServer, type Server, type Socket } from 'node:net'
import { type Caller, runCommand } from '../commands/commands.ts'
import { errorReply } from '../commands/reply.ts'
import { createEngine, type Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { readThrough } from '../storage/data-check.ts'
import { openStorage, type Storage } from '../storage/storage.ts'
import { startTtl } from '../storage/ttl.ts'
import { encodeReply, messageLength, parseRequest, type Request, requestIdOf } from './wire.ts'

export type EmbeddedServerOptions = {
  socketPath: string
  storage: { path: string; mode: 'durable' | 'memory' }
  /** Called when the store is open and nobody has been served yet. */
  onOpen?: () => void
  /** How long to read the store through before it serves. */
  readThroughMs?: number
  /** Called when the data can no longer be trusted in this process: it has to end and be started again. */
  onFatal?: (error: unknown) => void
  /** Called whenever the number of clients or leases changed. */
  onClients?: (clients: { connections: number; leases: number }) => void
  onStopAsked?: () => void
}

export type EmbeddedServer = { uri: string; stop(): Promise<void> }

/** A MongoDB server for this machine: it speaks the wire protocol on a Unix socket and keeps its data in one LMDB file. */
export async function createEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const onFatal = options.onFatal ?? ((error) => console.error('embedded database: fatal', error))
  const storage = openStorage({ ...options.storage, onFatal })
  if (options.readThroughMs) readThrough(storage, options.readThroughMs)
  const engine = createEngine(storage)
  const sockets = new Set<Socket>()
  const leases = new Set<Socket>()
  let lastConnectionId = 0
  options.onOpen?.()

  const report = () => options.onClients?.({ connections: sockets.size, leases: leases.size })
  const server = createServer((socket) => {
    lastConnectionId++
    sockets.add(socket)
    report()
    socket.on('close', () => {
      sockets.delete(socket)
      leases.delete(socket)
      report()
    })
    serve(engine, socket, {
      connectionId: lastConnectionId,
      connections: () => sockets.size,
      lease: () => {
        leases.add(socket)
        report()
      },
      release: () => {
        leases.delete(socket)
        if (leases.size > 0) return false
        setImmediate(() => options.onStopAsked?.())
        return true
      },
    })
  })
  await listen(server, options.socketPath)
  const stopTtl = startTtl(engine)
  return { uri: uriOf(options.socketPath), stop: () => stop({ server, sockets, storage, stopTtl }) }
}

export function uriOf(socketPath: string): string {
  return `mongodb://${encodeURIComponent(socketPath)}/`
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

type Running = { server: Server; sockets: Set<Socket>; storage: Storage; stopTtl: () => void }

/** Lets the writes that were taken in finish and be answered, then closes. */
async function stop({ server, sockets, storage, stopTtl }: Running): Promise<void> {
  stopTtl()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  await storage.write(() => undefined)
  await new Promise((resolve) => setImmediate(resolve))
  for (const socket of sockets) socket.destroySoon()
  await closed
  await storage.close()
}

/** One connection: its messages are answered one after another, in their order. Bytes that are no message close it, and only it. */
function serve(engine: Engine, socket: Socket, caller: Caller) {
  let pending: Buffer = Buffer.alloc(0)
  let chunks: Buffer[] = []
  let size = 0
  let needed = 0
  let isBusy = false

  socket.setNoDelay?.(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    if (!isBusy && size >= needed) drain()
  })

  function drain() {
    isBusy = true
    work()
      .catch(() => socket.destroy())
      .finally(() => {
        isBusy = false
        if (size >= needed && size > 0 && chunks.length > 0 && !socket.destroyed) drain()
      })
  }

  async function work() {
    for (;;) {
      if (chunks.length > 0)
        pending = pending.length === 0 && chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat([pending, ...chunks])
      chunks = []
      size = pending.length
      const length = messageLength(pending)
      needed = length ?? 4
      if (length === undefined || pending.length < length) return
      const message = pending.subarray(0, length)
      pending = pending.subarray(length)
      size = pending.length
      needed = 0
      const reply = answer(engine, message, caller)
      const parts = reply instanceof Promise ? await reply : reply
      if (parts && !socket.destroyed) {
        socket.cork()
        for (const part of parts) socket.write(part)
        socket.uncork()
      }
      // A client that does not read its answers is not served further: memory stays bounded.
      if (socket.writableNeedDrain && !socket.destroyed) await drained(socket)
    }
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}

function answer(engine: Engine, message: Buffer, caller: Caller): Buffer[] | undefined | Promise<Buffer[] | undefined> {
  let request: Request
  try {
    request = parseRequest(message)
  } catch (error) {
    if (error instanceof MongoRefusal) return encodeReply({ id: requestIdOf(message), isLegacy: false }, errorReply(error))
    throw error
  }
  const finish = (document: Buffer) => (request.expectsReply ? encodeReply(request, document) : undefined)
  try {
    const reply = runCommand(engine, request.command, caller)
    if (!(reply instanceof Promise)) return finish(reply)
    return reply.then(finish, (error) => finish(refusal(error)))
  } catch (error) {
    return finish(refusal(error))
  }
}

function refusal(error: unknown): Buffer {
  if (error instanceof MongoRefusal) return errorReply(error)
  console.error('embedded database: fault', error)
  return errorReply(new MongoRefusal(1, 'the embedded database met a fault of its own; its log says more'))
}
