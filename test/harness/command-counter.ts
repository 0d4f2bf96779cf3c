import { deserialize } from 'bson'
import { createNetwork } from './processes/network.ts'

/** What is asked of a database: commands by name and collection, as `find agents`. */
export interface CommandCounter {
  uri: string
  /** Since the last look, in the order in which they came. */
  taken(): string[]
  close(): Promise<void>
}

const OP_MSG = 2013
const [HEADER_BYTES, KIND_AT, BODY_AT] = [16, 20, 21]
/** Of the driver's own monitor. */
const NOISE = new Set(['hello', 'ismaster', 'isMaster', 'ping', 'endSessions'])

/** Stands on loopback between a driver and a database server, and writes down what passes. */
export async function createCommandCounter(upstream: string): Promise<CommandCounter> {
  const host = /^mongodb:\/\/([^/?]+)/.exec(upstream)?.[1] ?? ''
  const [name = '127.0.0.1', port = '27017'] = host.split(':')
  const target = host.includes('%2F') ? { path: decodeURIComponent(host) } : { host: name, port: Number(port) }
  const commands: string[] = []

  /** A piece of TCP may hold many messages, or a part of one. */
  function near() {
    let rest = Buffer.alloc(0)
    return (piece: Buffer) => {
      rest = Buffer.concat([rest, piece])
      while (rest.length >= HEADER_BYTES && rest.length >= rest.readInt32LE(0)) {
        const message = rest.subarray(0, rest.readInt32LE(0))
        rest = rest.subarray(message.length)
        note(message)
      }
      return 'pass' as const
    }
  }

  function note(message: Buffer): void {
    if (message.readInt32LE(12) !== OP_MSG || message[KIND_AT] !== 0) return
    const body = deserialize(message.subarray(BODY_AT, BODY_AT + message.readInt32LE(BODY_AT)))
    const [[command, about] = ['', '']] = Object.entries(body)
    if (!NOISE.has(command)) commands.push(`${command} ${command === 'getMore' ? body['collection'] : about}`)
  }

  const network = await createNetwork({ targets: () => [target], tap: () => ({ near: near() }) })
  return {
    uri: `mongodb://127.0.0.1:${network.port}/?directConnection=true`,
    taken: () => commands.splice(0),
    close: network.close,
  }
}
