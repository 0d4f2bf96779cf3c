import { setTimeout as delay } from 'node:timers/promises'
import { databasePid, killDatabase } from '../harness/processes/embedded-process.ts'
import type { Network } from '../harness/processes/network.ts'
import type { Random } from '../harness/random.ts'
import type { World } from './world.ts'

export interface Blow {
  world: World
  networks: readonly Network[]
  random: Random
  /** The fault is over: from here on the recovery counts. */
  over(): void
  /** Resolves when all writers and readers are well again. */
  recovered: Promise<unknown>
}

export interface Row {
  /** What happens, as the table says it. */
  what: string
  nodes: number
  strike(blow: Blow): Promise<void>
}

export const CUT_MS = 2_000

/** The fault matrix: what may happen to a hub, its database, its Redis and its clients' networks. */
export const rows = {
  'kill-hub': {
    what: 'kill -9 of the hub, started again',
    nodes: 1,
    strike: async ({ world, over }) => {
      await world.kill(0)
      over()
      await world.start(0)
    },
  },
  'kill-database': {
    what: 'kill -9 of the embedded database',
    nodes: 1,
    strike: async ({ world, over }) => {
      await killDatabase(world.data_dir)
      over()
    },
  },
  'freeze-database': {
    what: 'the database answers nothing for 1 to 6 s',
    nodes: 1,
    strike: async ({ world, random, over }) => {
      const pid = await databasePid(world.data_dir)
      process.kill(pid, 'SIGSTOP')
      await delay(1_000 + random.below(5_000))
      process.kill(pid, 'SIGCONT')
      over()
    },
  },
  'cut-clients': {
    what: '2 s cuts of clients’ networks',
    nodes: 1,
    strike: async ({ networks, random, over }) => {
      await cutEach(networks, random)
      over()
    },
  },
  'kill-node': {
    what: 'kill -9 of one of two hubs',
    nodes: 2,
    strike: async ({ world, random, over, recovered }) => {
      const node = random.below(2)
      await world.kill(node)
      over()
      await recovered
      await world.start(node)
    },
  },
  'kill-redis': {
    what: 'kill -9 of Redis, away for up to 1.5 s',
    nodes: 2,
    strike: async ({ world, random, over }) => {
      await world.redis?.kill()
      await delay(random.below(1_500))
      await world.redis?.start()
      over()
    },
  },
  'rolling-restart': {
    what: 'two hubs restarted one after the other (SIGTERM)',
    nodes: 2,
    strike: async ({ world, over }) => {
      for (const node of [0, 1]) {
        const code = await world.stop(node)
        if (code !== 0) throw new Error(`node ${node} was told to stop and ended with ${code}`)
        await world.start(node)
      }
      over()
    },
  },
} satisfies Record<string, Row>

export type RowName = keyof typeof rows

/** Every network once, each for 2 s, at a moment of its own: from all at once to nearly one after the other. */
export async function cutEach(networks: readonly Network[], random: Random): Promise<void> {
  const spread_ms = 1 + random.below(1_500)
  const moments = networks.map(() => random.below(spread_ms))
  await Promise.all(
    networks.map(async (network, at) => {
      await delay(moments[at])
      network.cut()
      await delay(CUT_MS)
      network.mend()
    }),
  )
}
