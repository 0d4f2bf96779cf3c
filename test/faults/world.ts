import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Person, signUp } from '../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'
import { createNetwork, type Network } from '../harness/processes/network.ts'
import { type RedisServer, startRedis } from '../harness/processes/redis.ts'
import type { Random } from '../harness/random.ts'

/** Hub processes on one data directory with its embedded database, joined by a Redis when they are several. */
export interface World {
  data_dir: string
  nodes: number
  redis: RedisServer | undefined
  /** One that runs. */
  hub(): HubProcess
  start(node: number): Promise<void>
  /** kill -9. */
  kill(node: number): Promise<void>
  /** SIGTERM; the exit code. */
  stop(node: number): Promise<number | null>
  /** People who may be in every room. The first is the requester. */
  people: readonly Person[]
  /** A client's own way to the hubs: to its home, or where nobody listens there, to the next one. */
  network(home: number, random: Random): Promise<Network>
  /** What the hubs logged as faults of their own since the last look. */
  errors(): string[]
  /** The end of what the hubs logged, to look into a seed that failed. */
  tail(): string[]
  close(): Promise<void>
}

const PEOPLE = 7
const TAIL_LINES = 30
/** A network between two cities is slower; this is enough to mix the order of things up. */
const MOST_DELAY_MS = 6

export async function startWorld({ nodes, env = {} }: { nodes: number; env?: Record<string, string> }): Promise<World> {
  const data_dir = await mkdtemp(join(tmpdir(), 'parley-faults-'))
  const redis = nodes > 1 ? await startRedis() : undefined
  const ports = await Promise.all(Array.from({ length: nodes }, freePort))
  const hubs: (HubProcess | undefined)[] = []
  const logs: { lines: string[]; looked: number }[] = []

  async function start(node: number): Promise<void> {
    const settings = { ...(redis === undefined ? {} : { REDIS_URL: redis.url }), ...env }
    const hub = await startHubProcess({ data_dir, port: ports[node] ?? 0, env: settings })
    hubs[node] = hub
    logs.push({ lines: hub.log, looked: 0 })
  }

  function take(node: number): HubProcess {
    const hub = hubs[node]
    if (hub === undefined) throw new Error(`node ${node} does not run`)
    hubs[node] = undefined
    return hub
  }

  function running(): HubProcess {
    const hub = hubs.find((one) => one !== undefined)
    if (hub === undefined) throw new Error('no hub runs')
    return hub
  }

  async function close(): Promise<void> {
    for (const hub of hubs) await hub?.stop()
    await redis?.stop()
    await rm(data_dir, { recursive: true, force: true })
  }

  try {
    // One after the other: the first makes the data directory.
    for (let node = 0; node < nodes; node++) await start(node)
    const roles = Array.from({ length: PEOPLE }, (_, at) => (at === 0 ? 'requester' : 'reviewer'))
    const people = await Promise.all(roles.map((role) => signUp(running(), [role])))
    return {
      ...{ data_dir, nodes, redis, hub: running, start, people, close },
      kill: (node) => take(node).kill(),
      stop: (node) => take(node).stop(),
      network: (home, random) => {
        const targets = ports.map((_, at) => ({ host: '127.0.0.1', port: ports[(home + at) % nodes] ?? 0 }))
        return createNetwork({ targets: () => targets, delay_ms: () => random.below(MOST_DELAY_MS) })
      },
      errors: () => logs.flatMap(newErrors),
      tail: () => logs.flatMap(({ lines }) => lines.slice(-TAIL_LINES)),
    }
  } catch (error) {
    await close()
    throw error
  }
}

function newErrors(log: { lines: string[]; looked: number }): string[] {
  const lines = log.lines.slice(log.looked)
  log.looked = log.lines.length
  return lines.filter((line) => /"level":"(error|fatal)"/.test(line))
}
