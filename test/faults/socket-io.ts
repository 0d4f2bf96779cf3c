import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { io, type Socket } from 'socket.io-client'
import { createNetwork, type Network } from '../harness/processes/network.ts'
import { createRandom } from '../harness/random.ts'
import { cutEach } from './rows.ts'
import type { Outcome } from './run-row.ts'

interface Plain {
  name: string
  socket: Socket
  /** How often it was told each frame. */
  seen: Map<string, number>
  /** Frames that the server acknowledged. */
  acked: string[]
  sent: number
}

const WRITERS = 5
const CLIENTS = 10
const POST_EVERY_MS = 15
const QUIET_MS = 1_000
const PATIENCE_MS = 15_000
const ROOM = 'plain'

/**
 * The row of cut networks with what most people would build in Parley's place: a Socket.IO server, with its connection state recovery or
 * as it comes, and clients as they come, which join again when they were not recovered. The same seeds make the same cuts.
 */
export async function runSocketIo(
  { recovers }: { recovers: boolean },
  seeds: readonly number[],
  onSeed: (outcome: Outcome) => void = () => undefined,
): Promise<Outcome[]> {
  const server = await startServer({ recovers })
  const outcomes: Outcome[] = []
  try {
    for (const seed of seeds) {
      const outcome = await runSeed(server.port, seed)
      outcomes.push(outcome)
      onSeed(outcome)
    }
  } finally {
    await server.stop()
  }
  return outcomes
}

async function runSeed(port: number, seed: number): Promise<Outcome> {
  const random = createRandom(seed)
  const targets = () => [{ host: '127.0.0.1', port }]
  const networks = await Promise.all(Array.from({ length: CLIENTS }, () => createNetwork({ targets })))
  const room = `${ROOM} ${seed}`
  const clients = await Promise.all(networks.map((network, at) => startClient(network, { name: `client ${at}`, room })))
  const writers = clients.slice(0, WRITERS)
  const work = startPosting(writers, room)
  try {
    await delay(500 + random.below(400))
    await cutEach(networks, random)
    const recovery = await recoveryOf(clients, writers)
    work.stop()
    await settled(clients)
    return { seed, ...(recovery === undefined ? {} : { recovery }), ...judge(clients, writers) }
  } finally {
    work.stop()
    for (const { socket } of clients) socket.disconnect()
    for (const network of networks) await network.close()
  }
}

async function startClient(network: Network, { name, room }: { name: string; room: string }): Promise<Plain> {
  const socket = io(network.url, { transports: ['websocket'], forceNew: true })
  const seen = new Map<string, number>()
  socket.on('message', ({ key }: { key: string }) => seen.set(key, (seen.get(key) ?? 0) + 1))
  await new Promise<void>((resolve) => {
    socket.on('connect', () => {
      if (!socket.recovered) socket.emit('join', { room }, () => resolve())
    })
  })
  return { name, socket, seen, acked: [], sent: 0 }
}

function startPosting(writers: readonly Plain[], room: string): { stop(): void } {
  const timer = setInterval(() => {
    for (const writer of writers) {
      const key = keyOf(writer, writer.sent++)
      // While the connection is away the client keeps it, and sends it later.
      writer.socket.emit('post', { contract_id: room, key, body: key }, () => writer.acked.push(key))
    }
  }, POST_EVERY_MS)
  return { stop: () => clearInterval(timer) }
}

/** Who missed something never gets it, so here a reader is well when it is told anything new. */
async function recoveryOf(clients: readonly Plain[], writers: readonly Plain[]): Promise<Outcome['recovery']> {
  const began = performance.now()
  const since = () => performance.now() - began
  const marks = new Map(writers.map((writer) => [writer, writer.sent]))
  const isNew = (key: string, writer: Plain) => Number(key.slice(key.lastIndexOf(' ') + 1)) >= (marks.get(writer) ?? 0)
  const hasNew = (writer: Plain) => writer.acked.some((key) => isNew(key, writer))
  const isTold = ({ seen }: Plain) =>
    [...seen.keys()].some((key) => writers.some((writer) => key.startsWith(`${writer.name} `) && isNew(key, writer)))
  let first_ms: number | undefined
  while (since() < PATIENCE_MS) {
    if (first_ms === undefined && writers.some(hasNew)) first_ms = since()
    if (writers.every(hasNew) && clients.every(isTold)) return { first_ms: first_ms ?? since(), all_ms: since(), last: '' }
    await delay(10)
  }
  return undefined
}

async function settled(clients: readonly Plain[]): Promise<void> {
  const told = () => clients.reduce((sum, { seen }) => sum + seen.size, 0)
  for (let before = -1; before !== told(); ) {
    before = told()
    await delay(QUIET_MS)
  }
}

function judge(clients: readonly Plain[], writers: readonly Plain[]): Omit<Outcome, 'seed' | 'recovery'> {
  const sent = writers.flatMap((writer) => Array.from({ length: writer.sent }, (_, at) => keyOf(writer, at)))
  const lost = sent.filter((key) => clients.some(({ seen }) => !seen.has(key)))
  const twice = sent.filter((key) => clients.some(({ seen }) => (seen.get(key) ?? 0) > 1))
  const acked = writers.reduce((sum, writer) => sum + writer.acked.length, 0)
  const seen = clients.reduce((sum, client) => sum + [...client.seen.values()].reduce((all, times) => all + times, 0), 0)
  return { acked, seen, calls: 0, lost, twice, other: [] }
}

function keyOf({ name }: Pick<Plain, 'name'>, at: number): string {
  return `${name} says ${at}`
}

async function startServer({ recovers }: { recovers: boolean }): Promise<{ port: number; stop(): Promise<void> }> {
  const file = fileURLToPath(new URL('../../bench/servers/bare-socket-io.ts', import.meta.url))
  const child: ChildProcess = fork(file, { env: { PATH: process.env['PATH'], ...(recovers ? { RECOVERY: '1' } : {}) }, stdio: 'inherit' })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return {
    port,
    stop: async () => {
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}
