import { expect } from 'chai'
import type { WireEvent } from '../../shared/protocol/index.ts'
import { createManualClock, type ManualClock } from '../harness/clock.ts'
import type { History } from '../harness/history/history.ts'
import { startHub, type TestHub, type TestHubOptions } from '../harness/hub.ts'
import { api, type Client, connectAs, openContract, type Person } from '../harness/people.ts'
import { type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'
import { type RedisServer, startRedis } from '../harness/processes/redis.ts'
import { advanceUntil } from '../scenarios/stage.ts'

export const shout = {
  name: 'shout',
  description: 'Says it louder',
  input_schema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'], additionalProperties: false },
} as const

/** Hubs on one database with one hand-moved clock, joined by a real Redis. As long as the clock stands, only the bus can be quick. */
export interface Nodes {
  clock: ManualClock
  redis: RedisServer
  hubs: TestHub[]
  hub(at: number): TestHub
  /** One more hub on the same database. */
  add(): Promise<TestHub>
  contract_id: string
  requester: Person
  provider: Person
  /** Connects, and is live in the room. */
  join(who: Pick<Person, 'auth'>, at: number): Promise<Client>
  /** The operator, who sees everything. */
  staff: Pick<Person, 'auth' | 'bearer'>
  close(): Promise<void>
}

// The clock stands, so a bucket never fills again.
const wideLimits = { frames_per_s: 100_000, frames_burst: 100_000, principal_frames_per_s: 100_000, room_frames_per_s: 100_000 }

export async function startNodes({
  nodes = 2,
  redis = startRedis(),
  limits = {},
  redisOf = (_at, url) => url,
}: {
  nodes?: number
  /** Where each node finds Redis. */
  redisOf?: (at: number, redis_url: string) => string
  redis?: Promise<RedisServer>
  limits?: TestHubOptions['limits']
} = {}): Promise<Nodes> {
  const clock = createManualClock()
  const server = await redis
  const hubs: TestHub[] = []
  const clients: Client[] = []

  async function add(): Promise<TestHub> {
    const [like] = hubs
    const redis_url = redisOf(hubs.length, server.url)
    const hub = await startHub({ clock, redis_url, limits: { ...wideLimits, ...limits }, ...(like ? { like } : {}) })
    hubs.push(hub)
    return hub
  }

  function hub(at: number): TestHub {
    const one = hubs[at]
    if (one === undefined) throw new Error(`there is no node ${at}`)
    return one
  }

  while (hubs.length < nodes) await add()
  const contract = await openContract(hub(0))
  const { contract_id } = contract
  const { operator_token } = hub(0)

  async function join(who: Pick<Person, 'auth'>, at: number): Promise<Client> {
    const client = await connectAs(hub(at), who)
    clients.push(client)
    await client.must('room.join', { contract_id })
    await client.next('live', (live) => live.contract_id === contract_id)
    return client
  }

  return {
    ...{ clock, redis: server, hubs, hub, add, join, ...contract },
    staff: { auth: { token: operator_token }, bearer: operator_token },
    close: async () => {
      for (const client of clients) client.close()
      for (const one of hubs.splice(0).reverse()) await one.close()
      await server.stop()
    },
  }
}

/** Posts messages with some under way at once, and notes what was sent and acknowledged. */
export async function postMany(
  client: Client,
  about: { contract_id: string; by: string; name: string; count: number; history: History; at_once?: number },
): Promise<void> {
  const { contract_id, by, name, count, history, at_once = 5 } = about
  const waiting = Array.from({ length: count }, (_, at) => ({ key: `${name}-${at}`, body: `${name} says ${at}` })).reverse()
  const work = async () => {
    for (let frame = waiting.pop(); frame !== undefined; frame = waiting.pop()) {
      history.sent(contract_id, by, frame)
      const ack = await client.must('message.post', { contract_id, ...frame })
      history.acked(contract_id, by, { key: frame.key, seq: ack.seq, chain: ack.chain })
    }
  }
  await Promise.all(Array.from({ length: at_once }, work))
}

/** Resolves when the client was told the event at the place. */
export async function sees(client: Client, contract_id: string, seq: number): Promise<void> {
  await client.next('events', (batch) => batch.contract_id === contract_id && batch.last >= seq)
}

/** The whole log, as staff see it, from any node. */
export async function wholeLog(hub: Pick<TestHub, 'url' | 'operator_token'>, contract_id: string): Promise<WireEvent[]> {
  const events: WireEvent[] = []
  for (;;) {
    const path = `/contracts/${contract_id}/events?limit=500&after=${events.length}`
    const { body } = await api<{ events: WireEvent[] }>(hub, 'GET', path, { bearer: hub.operator_token })
    events.push(...body.events)
    if (body.events.length === 0) return events
  }
}

/** Every client saw the same, once and in order up to the head; nothing acknowledged is missing; the chain verifies. */
export async function mustAgree(
  nodes: Pick<Nodes, 'hubs' | 'contract_id'>,
  history: History,
  clients: Record<string, Client>,
): Promise<void> {
  const { contract_id } = nodes
  const [hub] = nodes.hubs
  if (hub === undefined) throw new Error('no hub is left')
  const log = await wholeLog(hub, contract_id)
  history.log(contract_id, log)
  for (const [name, client] of Object.entries(clients)) {
    await sees(client, contract_id, log.length)
    history.watch(name, contract_id)(client.events(contract_id))
  }
  expect(history.faults()).to.deep.equal([])
}

export function troublesOf(nodes: Pick<Nodes, 'hubs'>): string[] {
  return nodes.hubs.flatMap(({ troubles }) =>
    troubles.map(({ event, details }) => `${event}: ${JSON.stringify(details)} ${String(details['error'] ?? '')}`),
  )
}

/** One more node on the same database, in a process of its own, which can be killed. */
export function startNodeProcess({ hubs: [like], redis }: Pick<Nodes, 'hubs' | 'redis'>, port: number): Promise<HubProcess> {
  if (like === undefined) throw new Error('the first node makes the database')
  const [server = '', options = ''] = like.mongodb_uri.split('?')
  const uri = `${server.replace(/\/$/, '')}/${like.database_name}${options === '' ? '' : `?${options}`}`
  return startHubProcess({ data_dir: like.data_dir, port, env: { MONGODB_URI: uri, REDIS_URL: redis.url } })
}

/**
 * Moves the clock in steps until it holds, and lets the hubs do their work between two of them: a clock that runs ahead of it would
 * end credentials and leases that nobody could renew in time.
 */
export function stepUntil(
  { clock, hubs }: { clock: ManualClock; hubs: readonly TestHub[] },
  what: string,
  holds: () => boolean | Promise<boolean>,
  step_ms = 1_000,
): Promise<void> {
  const look = async () => {
    await Promise.all(hubs.map((hub) => hub.get('/health')))
    return holds()
  }
  return advanceUntil(clock, what, look, step_ms)
}

/** The same for something that is waited for by itself. */
export async function stepWhile<T>(
  nodes: { clock: ManualClock; hubs: readonly TestHub[] },
  what: string,
  asked: Promise<T>,
  step_ms = 1_000,
): Promise<T> {
  let isOver = false
  const over = asked.finally(() => {
    isOver = true
  })
  // Its failure is told by `over`, below.
  over.catch(() => undefined)
  await stepUntil(nodes, what, () => isOver, step_ms)
  return over
}
