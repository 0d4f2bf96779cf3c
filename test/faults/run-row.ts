import { setTimeout as delay } from 'node:timers/promises'
import { nothingIsOwed } from '../harness/processes/embedded-process.ts'
import { createRandom } from '../harness/random.ts'
import type { Recovery } from './observed.ts'
import { type Row, type RowName, rows } from './rows.ts'
import { startScene, type Verdict } from './scene.ts'
import { startWorld, type World } from './world.ts'

export interface Outcome extends Verdict {
  seed: number
  /** From the fault's end on; undefined = it failed before. */
  recovery?: Recovery
}

/** Sign-ins last a quarter of an hour. */
const SEEDS_A_WORLD = 40
const RECOVERY_PATIENCE_MS = 60_000

export const isWell = ({ lost, twice, other }: Verdict): boolean => lost.length + twice.length + other.length === 0

/** One row of the matrix under each of the seeds. A seed that goes wrong ends its world; the others go on in a new one. */
export async function runRow(
  name: RowName,
  seeds: readonly number[],
  onSeed: (outcome: Outcome) => void = () => undefined,
): Promise<Outcome[]> {
  const row: Row = rows[name]
  const outcomes: Outcome[] = []
  let world: World | undefined
  try {
    for (const [at, seed] of seeds.entries()) {
      world ??= await startWorld({ nodes: row.nodes })
      const outcome = await runSeed(row, world, seed)
      outcomes.push(outcome)
      onSeed(outcome)
      const isLast = at === seeds.length - 1
      if (isLast && isWell(outcome)) await nothingIsOwed(world.data_dir)
      if (isLast || !isWell(outcome) || (at + 1) % SEEDS_A_WORLD === 0) {
        await world.close()
        world = undefined
      }
    }
  } finally {
    await world?.close()
  }
  return outcomes
}

async function runSeed(row: Row, world: World, seed: number): Promise<Outcome> {
  const random = createRandom(seed)
  const failed = (error: unknown): Outcome => ({
    ...{ seed, acked: 0, seen: 0, calls: 0, lost: [], twice: [] },
    other: [error instanceof Error ? (error.stack ?? error.message) : String(error), ...world.tail()],
  })
  const scene = await startScene(world, seed).catch(failed)
  if (!('finish' in scene)) return scene
  const { observed, networks, writers } = scene
  try {
    await soon('the clients are at work', observed.busy(writers))
    // Chance decides into what the fault falls.
    await delay(random.below(400))
    const { promise, resolve } = Promise.withResolvers<Recovery>()
    const recovered = soon('all are well again', promise)
    recovered.catch(() => undefined)
    await row.strike({ world, networks, random, recovered, over: () => void observed.recovery(writers).then(resolve) })
    const recovery = await recovered
    return { seed, recovery, ...(await scene.finish()) }
  } catch (error) {
    return failed(error)
  } finally {
    await scene.close()
  }
}

function soon<T>(what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain until ${what}`)), RECOVERY_PATIENCE_MS)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
