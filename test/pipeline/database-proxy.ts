import { once } from 'node:events'
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net'

/** What happens to the next insert of events that comes by. */
export type Cut =
  /** The connection ends before the server got it. */
  | 'before'
  /** The server got it and answered; the connection ends without the answer. */
  | 'after'
  /** The server got it and answered; the answer never comes, and the connection stays. */
  | 'silence'

export interface DatabaseProxy {
  uri: string
  /** One for each insert of events that comes by, in turn; undefined = lets it pass. */
  plan: (Cut | undefined)[]
  /** Ends all connections and takes no new ones. */
  down(): void
  /** Takes everything, and answers nothing: a frozen server. */
  freeze(): void
  up(): void
  close(): Promise<void>
}

// BSON of `insert: 'events'`: type string, the name, the length with its final zero, the text.
const INSERT_OF_EVENTS = Buffer.concat([Buffer.from('\u0002insert\0'), Buffer.from([7, 0, 0, 0]), Buffer.from('events\0')])

// Driver 7.8 can hang for ever when all its connections end in one turn and its monitor is woken in that same turn: it then waits for
// `drain` on a socket that is gone. With both at one value a woken monitor always waits for a later turn.
const QUICK_HEARTBEAT = 'heartbeatFrequencyMS=500&minHeartbeatFrequencyMS=500'

/** Stands on loopback between a driver and a database server, whatever that one is. */
export async function createDatabaseProxy(upstream: string): Promise<DatabaseProxy> {
  const target = targetOf(upstream)
  const plan: DatabaseProxy['plan'] = []
  const sockets = new Set<Socket>()
  let state: 'up' | 'down' | 'frozen' = 'up'

  const server = createServer((client) => {
    if (state === 'down') return client.destroy()
    const database = connect(target)
    let cut: Cut | undefined
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        database.destroy()
      })
    }
    client.on('data', (chunk) => {
      if (chunk.includes(INSERT_OF_EVENTS)) cut = plan.shift()
      if (cut === 'before') client.destroy()
      else if (state === 'up') database.write(chunk)
    })
    database.on('data', (chunk) => {
      if (cut === 'after') client.destroy()
      else if (cut !== 'silence' && state === 'up') client.write(chunk)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  const endAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    uri: `mongodb://127.0.0.1:${address.port}/?directConnection=true&${QUICK_HEARTBEAT}`,
    plan,
    down: () => {
      state = 'down'
      endAll()
    },
    freeze: () => {
      state = 'frozen'
    },
    up: () => {
      // What was frozen lost bytes: those connections cannot go on.
      if (state === 'frozen') endAll()
      state = 'up'
    },
    close: async () => {
      endAll()
      server.close()
      await once(server, 'close')
    },
  }
}

function targetOf(uri: string): NetConnectOpts {
  const host = /^mongodb:\/\/([^/?]+)/.exec(uri)?.[1] ?? ''
  if (host.includes('%2F')) return { path: decodeURIComponent(host) }
  const [name = '127.0.0.1', port = '27017'] = host.split(':')
  return { host: name, port: Number(port) }
}
