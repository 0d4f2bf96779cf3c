import { connect, type Socket } from 'node:net'
import { deserialize } from 'bson'
import { toBson } from '../commands/reply.ts'

/**
 * A hub's hold on an embedded database: one connection, kept as long as the hub lives. While any hub holds one the process stays, and
 * `onEnd` tells at once when it is gone. The connection keeps no event loop alive.
 */
export type Lease = { pid: number; release(): Promise<{ stopping: boolean }>; close(): void; isOpen(): boolean }

const HEADER_BYTES = 21

export async function takeLease(socketPath: string, options: { timeoutMs: number; onEnd: () => void }): Promise<Lease> {
  const socket = connect(socketPath)
  const ask = asker(socket)
  const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), options.timeoutMs)
  let isOpen = true
  socket.on('error', () => undefined)
  try {
    const answer = await ask({ parleyLease: 1, $db: 'admin' })
    if (typeof answer['pid'] !== 'number') throw new Error('another kind of server answers on this socket')
    socket.unref()
    socket.once('close', () => {
      isOpen = false
      options.onEnd()
    })
    return {
      pid: answer['pid'],
      isOpen: () => isOpen,
      close: () => void socket.destroy(),
      async release() {
        // Whoever asks for a stop waits for it.
        socket.ref()
        const { stopping } = await ask({ parleyRelease: 1, $db: 'admin' })
        return { stopping: stopping === true }
      },
    }
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function asker(socket: Socket): (command: Record<string, unknown>) => Promise<Record<string, unknown>> {
  return (command) =>
    new Promise((resolve, reject) => {
      let received: Buffer = Buffer.alloc(0)
      const onData = (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        if (received.length < 4 || received.length < received.readInt32LE(0)) return
        finish()
        resolve(deserialize(received.subarray(HEADER_BYTES)))
      }
      const onClose = () => {
        finish()
        reject(new Error('the embedded database closed the connection'))
      }
      const onError = (error: Error) => {
        finish()
        reject(error)
      }
      const finish = () => void socket.off('data', onData).off('close', onClose).off('error', onError)
      socket.on('data', onData).on('close', onClose).on('error', onError)
      socket.write(encodeCommand(command))
    })
}

const OP_MSG = 2013

function encodeCommand(command: Record<string, unknown>): Buffer {
  const body = toBson(command)
  const head = Buffer.alloc(HEADER_BYTES)
  head.writeInt32LE(HEADER_BYTES + body.length, 0)
  head.writeInt32LE(OP_MSG, 12)
  return Buffer.concat([head, body])
}
