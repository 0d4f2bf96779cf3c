// A process of its own with everybody in it: posts, streamed calls, leaves and joins, lost connections, at a steady pace, until it is told to end.
import { setTimeout as delay } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'

export interface SoakSpec {
  url: string
  token: string
  /** `filling`: posts before the measuring begins. */
  rooms: { contract_id: string; agent_key: string; filling: number }[]
  clients: number
}

export interface SoakCounts {
  posts: number
  calls: number
  joins: number
  reconnects: number
  refused: number
}

interface Client {
  contract_id: string
  socket: Socket
  seq: number
}

const POSTS_A_SECOND = 100
const CALLS_A_SECOND = 5
const JOINS_A_SECOND = 5
const RECONNECTS_A_SECOND = 5
const CHUNKS = 5
const ACK_MS = 10_000
const AT_ONCE = 50
const BODY = 'What people write to each other while they work is about as long as this sentence, and now and then longer. '

const counts: SoakCounts = { posts: 0, calls: 0, joins: 0, reconnects: 0, refused: 0 }
let made = 0

process.on('disconnect', () => process.exit(0))
process.once('message', (spec: SoakSpec) => void run(spec))
process.on('message', (asked) => {
  if (asked === 'counts') process.send?.(counts)
})

async function run({ url, token, rooms, clients: wanted }: SoakSpec): Promise<void> {
  const connect = (auth: object) => io(`${url}/rooms`, { auth, transports: ['websocket'], forceNew: true, reconnection: false })
  for (const { agent_key } of rooms) await startAgent(connect({ key: agent_key }))
  const clients: Client[] = []
  for (let at = 0; at + rooms.length < wanted; at++) {
    const contract_id = rooms[at % rooms.length]?.contract_id ?? ''
    clients.push(await join({ contract_id, socket: connect({ token }), seq: 0 }))
  }
  for (const { contract_id, filling } of rooms) {
    const here = clients.filter((client) => client.contract_id === contract_id)
    for (let left = filling; left > 0; left -= AT_ONCE)
      await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, () => post(any(here))))
  }
  process.send?.('ready')
  const every = (a_second: number, work: (client: Client) => Promise<void>) =>
    setInterval(() => void work(any(clients)).catch(() => counts.refused++), 1_000 / a_second)
  every(POSTS_A_SECOND, post)
  every(CALLS_A_SECOND, call)
  every(JOINS_A_SECOND, leaveAndJoin)
  every(RECONNECTS_A_SECOND, async (client) => {
    client.socket.io.engine?.close()
    client.socket = connect({ token })
    await join(client)
    counts.reconnects++
  })
}

function any(clients: readonly Client[]): Client {
  const client = clients[Math.floor(Math.random() * clients.length)]
  if (client === undefined) throw new Error('nobody is there')
  return client
}

async function ask(socket: Socket, type: string, payload: object): Promise<Record<string, unknown>> {
  const answer = await socket.timeout(ACK_MS).emitWithAck(type, payload)
  if (!answer.ok) throw new Error(answer.error.code)
  return answer
}

async function join(client: Client): Promise<Client> {
  const { contract_id, socket, seq } = client
  socket.on('events', ({ last }: { last: number }) => {
    client.seq = last
  })
  const { head } = await ask(socket, 'room.join', { contract_id, ...(seq > 0 ? { since: seq } : {}) })
  if (seq === 0) client.seq = Number(head)
  return client
}

async function post({ contract_id, socket }: Client): Promise<void> {
  await ask(socket, 'message.post', { contract_id, key: `soak-${made++}`, body: BODY })
  counts.posts++
}

async function call({ contract_id, socket }: Client): Promise<void> {
  await ask(socket, 'tool.call', { contract_id, key: `soak-${made++}`, tool: 'write', input: {} })
  counts.calls++
}

async function leaveAndJoin(client: Client): Promise<void> {
  await ask(client.socket, 'room.leave', { contract_id: client.contract_id })
  client.socket.off('events')
  await join(client)
  counts.joins++
}

async function startAgent(socket: Socket): Promise<void> {
  socket.on('core.tool.call', ({ call_id }: { call_id: string }, ack: () => void) => {
    ack()
    void stream(socket, call_id).catch(() => counts.refused++)
  })
  await ask(socket, 'agent.hello', { protocol: 1, agent: { name: 'soak', version: '1' } })
  await ask(socket, 'agent.tools.register', { tools: [{ name: 'write', description: 'Writes', input_schema: { type: 'object' } }] })
  setInterval(() => void ask(socket, 'agent.heartbeat', {}).catch(() => counts.refused++), 10_000)
}

async function stream(socket: Socket, call_id: string): Promise<void> {
  for (let seq = 1; seq <= CHUNKS; seq++) {
    await ask(socket, 'agent.tool.stream', { call_id, seq, chunk: BODY })
    await delay(20)
  }
  await ask(socket, 'agent.tool.result', { call_id, status: 'succeeded', output: CHUNKS })
}
