import { io } from 'socket.io-client'
import { connect } from '../client/sdk/index.ts'
import { createHubNetwork, type Network } from '../test/harness/processes/network.ts'
import { sleep } from './lane.ts'
import { Member } from './member.ts'

export interface CutsSpec {
  parley: { port: number; contract_id: string; token: string }
  bare: { port: number; room: string }
  ms: number
  /** When the network goes away, each time for two seconds. */
  cuts_at_ms: number[]
}

export interface Drops {
  posted: number
  delivered: number
  lost: number
  twice: number
}

const CUT_MS = 2_000
const POST_EVERY_MS = 10
const SETTLE_MS = 20_000

/** The same posts, the same cuts, at the same time: a reader by Parley's sdk, and one by Socket.IO's client as it comes. */
export async function runCuts({ parley, bare, ms, cuts_at_ms }: CutsSpec): Promise<{ parley: Drops; bare: Drops; recovered: number }> {
  const proxies = [
    await createHubNetwork(`http://127.0.0.1:${parley.port}`),
    await createHubNetwork(`http://127.0.0.1:${bare.port}`),
  ] as const
  const seen = { parley: new Map<string, number>(), bare: new Map<string, number>() }
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)

  const hub = await connect({ url: proxies[0].url, token: parley.token })
  hub.on('problem', () => {})
  const room = await hub.room(parley.contract_id)
  const events = room.events()
  void (async () => {
    for await (const event of events) if (event.type === 'message.posted') count(seen.parley, event.key)
  })()

  let recovered = 0
  const socket = io(proxies[1].url, { transports: ['websocket'] })
  socket.on('message', ({ key }: { key: string }) => count(seen.bare, key))
  await new Promise<void>((resolve) =>
    socket.on('connect', () => {
      if (socket.recovered) recovered++
      else socket.emit('join', { room: bare.room }, () => resolve())
    }),
  )

  const auth = { token: parley.token }
  const writers = [
    new Member({ dialect: 'parley', port: parley.port, room: parley.contract_id, auth }),
    new Member({ dialect: 'socket.io', port: bare.port, room: bare.room }),
  ] as const
  await Promise.all(writers.map((writer) => writer.open()))
  for (const at of cuts_at_ms) for (const proxy of proxies) setTimeout(() => cutFor(proxy), at)

  const keys: string[] = []
  for (const until = performance.now() + ms; performance.now() < until; await sleep(POST_EVERY_MS)) {
    const key = `cut-${keys.length}`
    keys.push(key)
    const frame = (contract_id: string) => JSON.stringify({ contract_id, key, body: `message ${key}` })
    writers[0].ask('message.post', frame(parley.contract_id), () => {})
    writers[1].ask('post', frame(bare.room), () => {})
  }
  for (const until = performance.now() + SETTLE_MS; seen.parley.size < keys.length && performance.now() < until; ) await sleep(50)
  await sleep(1_000)
  socket.close()
  await hub.close()
  for (const writer of writers) writer.cut()
  for (const proxy of proxies) await proxy.close()
  return { parley: dropsOf(keys, seen.parley), bare: dropsOf(keys, seen.bare), recovered }
}

function cutFor(proxy: Network): void {
  proxy.cut()
  setTimeout(() => proxy.mend(), CUT_MS)
}

function dropsOf(keys: string[], seen: Map<string, number>): Drops {
  const delivered = keys.filter((key) => seen.has(key)).length
  const twice = [...seen.values()].reduce((sum, times) => sum + times - 1, 0)
  return { posted: keys.length, delivered, lost: keys.length - delivered, twice }
}
