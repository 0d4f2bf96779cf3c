import { createShardedAdapter } from '@socket.io/redis-adapter'
import { createClient } from 'redis'
import type { Namespace } from 'socket.io'
import type { Adapter } from 'socket.io-adapter'
import type { PeerMessage, Peers } from '../../pipeline/peers.ts'
import { createSubscriptions, type Listener } from './subscriptions.ts'

/** The bus between nodes. A Redis that is away, also at the start, costs latency, never an event. */
export interface Cluster extends Peers {
  createAdapter(nsp: Namespace): Adapter
  redis: ReturnType<typeof createRedis>
  close(): Promise<void>
}

type Trouble = (what: string, cause: unknown) => void

/** Where the product's audiences are. Only there nodes talk to each other. */
const NAMESPACE = '/rooms'
const PEER = '$peer'
const BROADCAST = 3
const EVENT_PACKET = 2
const FOLLOW_MS = 1_000
const LONGEST_RECONNECT_MS = 2_000
const TELL_EVERY_MS = 5_000
/** What Redis has not taken yet. Past it the bus loses messages rather than the node its memory. */
const MOST_UNSENT_CHARS = 16_000_000

interface Message {
  uid: string
  nsp: string
  type: number
  data?: { opts: { rooms: string[] }; packet?: { data?: unknown } }
}

/** What of the sharded adapter is used beside its public face: its own message door, in versions that are pinned in package.json. */
interface OpenAdapter extends Adapter {
  uid: string
  dynamicChannel(room: string): string
  shouldUseASeparateNamespace(room: string): boolean
  onMessage(message: Message, offset?: string): void
}

/** Joins the hub to the others by Redis 7 (sharded pub/sub, a channel for each audience). Loaded only when REDIS_URL is set. */
export function joinCluster({ redis_url, onTrouble }: { redis_url: string; onTrouble: Trouble }): Cluster {
  let closed = false
  const complain = seldom((what, cause) => closed || onTrouble(what, cause))
  const away = `REDIS_URL: no Redis at ${new URL(redis_url).host}; until it answers members on other hubs are heard late`
  const pub = createRedis(redis_url, { disableOfflineQueue: true })
  const sub = createRedis(redis_url, { disableOfflineQueue: false })
  const subscriptions = createSubscriptions(sub as never, complain)
  const peers: ((audience: string, message: PeerMessage) => void)[] = []
  const rejoins: (() => void)[] = []
  let adapter: OpenAdapter | undefined
  let unsent_chars = 0
  let isMute = false

  sub.on('ready', () => void rejoin())
  for (const client of [pub, sub]) {
    client.on('error', (cause: unknown) => complain(away, cause))
    // Tried for ever: a Redis that is away must not keep the hub from starting.
    client.connect().catch((cause: unknown) => complain(away, cause))
  }

  /** Only when the subscriptions are in force again: what is said from then on is heard, and what was said before is compared. */
  async function rejoin(): Promise<void> {
    await followed()
    for (const listen of rejoins) listen()
  }

  function createAdapter(nsp: Namespace): Adapter {
    const made = createShardedAdapter(pub, asSubscriber(sub), { subscriptionMode: 'dynamic' })(nsp) as unknown as OpenAdapter
    if (nsp.name === NAMESPACE) open(made)
    return made
  }

  function asSubscriber(client: typeof sub): typeof sub {
    const own: Record<PropertyKey, unknown> = {
      sSubscribe: async (channel: string, listener: Listener) => subscriptions.want(channel, listener),
      sUnsubscribe: async (channels: string | string[]) => [channels].flat().forEach(subscriptions.unwant),
    }
    return new Proxy(client, {
      get: (target, name) => {
        const value = own[name] ?? Reflect.get(target, name)
        return typeof value === 'function' && own[name] === undefined ? value.bind(target) : value
      },
    })
  }

  /** Puts the nodes' own messages before the adapter's. */
  function open(made: OpenAdapter): void {
    const onMessage = made.onMessage.bind(made)
    made.onMessage = (message, offset) => {
      try {
        const peer = peerMessageOf(message)
        if (peer === undefined) onMessage(message, offset)
        else if (message.uid !== made.uid) for (const listen of peers) listen(message.data?.opts.rooms[0] ?? '', peer)
      } catch (cause) {
        // A node of another version, or something else that writes to this Redis: it must not end the hub.
        complain('a message of another node was not understood', cause)
      }
    }
    adapter = made
  }

  function tell(audience: string, message: PeerMessage): void {
    if (adapter === undefined || !pub.isReady) return
    if (unsent_chars > MOST_UNSENT_CHARS) {
      complain('Redis does not keep up', new Error('messages between nodes were left out'))
      return
    }
    const opts = { rooms: [audience], except: [], flags: {} }
    const packet = { type: EVENT_PACKET, data: [PEER, message] }
    const text = JSON.stringify({ uid: adapter.uid, nsp: NAMESPACE, type: BROADCAST, data: { opts, packet } })
    unsent_chars += text.length
    pub
      .sPublish(adapter.dynamicChannel(audience), text)
      .catch((cause: unknown) => complain('another node was not told', cause))
      .finally(() => {
        unsent_chars -= text.length
      })
  }

  /** Bounded, and not waited for again while the last wait was in vain: a Redis that hangs must not make every join slow. */
  async function followed(): Promise<void> {
    if (!sub.isReady || isMute) return
    const settled = subscriptions.settled()
    isMute = await isLate(settled)
    void settled.then(() => {
      isMute = false
    })
  }

  return {
    ...{ createAdapter, tell, followed, redis: pub },
    onPeer: (listen) => peers.push(listen),
    onRejoin: (listen) => rejoins.push(listen),
    close: async () => {
      closed = true
      subscriptions.close()
      for (const client of [pub, sub]) client.destroy()
    },
  }
}

async function isLate(work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<true>((resolve) => {
    timer = setTimeout(resolve, FOLLOW_MS, true)
  })
  const answer = await Promise.race([work.then(() => false), late])
  clearTimeout(timer)
  return answer
}

function createRedis(url: string, { disableOfflineQueue }: { disableOfflineQueue: boolean }) {
  return createClient({
    url,
    disableOfflineQueue,
    commandsQueueMaxLength: 100_000,
    socket: { connectTimeout: 2_000, reconnectStrategy: (tries) => Math.min(50 * 2 ** Math.min(tries, 10), LONGEST_RECONNECT_MS) },
  })
}

function peerMessageOf(message: Message): PeerMessage | undefined {
  if (message.type !== BROADCAST) return undefined
  const data = message.data?.packet?.data
  return Array.isArray(data) && data[0] === PEER ? data[1] : undefined
}

/** The same trouble is told at most once in a while: a Redis that is down fails every command. */
function seldom(onTrouble: Trouble): Trouble {
  const told = new Map<string, number>()
  return (what, cause) => {
    const now = performance.now()
    if (now - (told.get(what) ?? Number.NEGATIVE_INFINITY) < TELL_EVERY_MS) return
    told.set(what, now)
    onTrouble(what, cause)
  }
}
