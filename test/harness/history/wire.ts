import { io, type Socket } from 'socket.io-client'
import type { Person } from '../people.ts'

/** One connection that does not come back by itself. `lost` rejects when it cannot be made or breaks. */
export function openWire(url: string, { auth }: Pick<Person, 'auth'>): { socket: Socket; lost: Promise<never> } {
  const socket = io(`${url}/rooms`, { auth, transports: ['websocket'], forceNew: true, reconnection: false })
  const lost = new Promise<never>((_, reject) => {
    socket.once('disconnect', () => reject(new Error('the wire was cut')))
    socket.once('connect_error', reject)
  })
  // Whoever waits for nothing just now is told by the next wait.
  lost.catch(() => undefined)
  return { socket, lost }
}
