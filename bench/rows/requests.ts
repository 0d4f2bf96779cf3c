import { registerAgent } from '../../test/harness/people.ts'
import { cpuOf } from '../cpu.ts'
import type { ParleyServer, Rig } from '../rig.ts'
import { type Line, type Plan, spread } from '../rounds.ts'

const REQUESTS = 3_000
const QUICK_REQUESTS = 300
const OUTSTANDING = 10
const MOST_US = 1_000

/**
 * B13: what it costs to know who asks and to count it, in CPU of hub and database: `GET /me` by an agent's key (its key and its agent read,
 * its rate counted in the database) less `GET /livez`, which asks nobody and counts nothing.
 */
export async function requests(rig: Rig, plan: Plan): Promise<Line[]> {
  const parley = await rig.parley()
  const { bearer } = await registerAgent(parley.hub)
  const count = plan.quick ? QUICK_REQUESTS : REQUESTS
  const bare = { port: parley.port, path: '/livez', count, outstanding: OUTSTANDING }
  const known = { ...bare, path: '/me', bearer }
  // Until the code is compiled, which the first round would be charged for.
  for (const work of [bare, known]) await rig.generator.do('get', work)
  const [costs, rates, bareRates]: [number[], number[], number[]] = [[], [], []]
  for (let round = 0; round < plan.rounds; round++) {
    const theirs = await measure(rig, parley, bare)
    const ours = await measure(rig, parley, known)
    costs.push(ours.cpu_us - theirs.cpu_us)
    rates.push(ours.per_s)
    bareRates.push(theirs.per_s)
  }
  await parley.stop()
  const cpu_us = spread(costs)
  return [
    {
      ...{ row: 'B13', work: 'authentication by key and the count of its rate', outstanding: String(OUTSTANDING), unit: 'requests/s' },
      candidate: { name: 'GET /me', value: spread(rates), cpu_us },
      baseline: { name: 'GET /livez', value: spread(bareRates) },
      note: "CPU is the candidate's less the baseline's, of hub and database together",
      ...{ target: `CPU ≤ ${MOST_US} µs`, met: cpu_us.median <= MOST_US },
    },
  ]
}

async function measure(
  { generator }: Rig,
  { pids }: ParleyServer,
  work: { port: number; path: string; count: number; outstanding: number },
) {
  const cpu = () => pids.reduce((sum, pid) => sum + cpuOf(pid), 0)
  const before = cpu()
  const { ms } = await generator.do('get', work)
  return { cpu_us: (cpu() - before) / work.count, per_s: (work.count * 1_000) / ms }
}
