import type { LaneSpec, LoadResult, LoadSpec } from './lane.ts'
import type { Profiled } from './profile/profiled.ts'
import type { Rig } from './rig.ts'

/** One comparison of the table: a candidate against a baseline in the same rounds. */
export interface Line {
  row: string
  work: string
  outstanding: string
  unit: string
  candidate: Figure
  baseline?: Figure
  /** Candidate over baseline, more is better, round by round. */
  wall?: Spread
  /** Baseline's CPU per delivery over the candidate's: more is better. */
  cpu?: Spread
  generator_cpu?: number
  /** What a person must know to read the line. */
  note?: string
  target?: string
  met?: boolean
}

export interface Figure {
  name: string
  value: Spread
  cpu_us?: Spread
  ack_ms?: { p50: number; p99: number }
}

export interface Spread {
  median: number
  least: number
  most: number
}

export interface Plan {
  rounds: number
  /** The windows in which a lane is warmed up before the first round, and at most so many of them. */
  first_ms: number
  most_first: number
  /** Of each round. */
  warm_ms: number
  window_ms: number
  quick: boolean
  /** A commit whose hub runs beside this one's, where a row has room for it. */
  against?: string
  /** Where profiles of the hub are gathered, when they are wanted. */
  profiles?: Profiled[]
  /** From here on (`performance.now`) no round begins that can be left out: the whole run is bounded. */
  until: number
  /** Says how far it is. */
  say(text: string): void
}

/** A median needs so many, however late it is. */
const LEAST_ROUNDS = 1
const AGREE = 0.1

export type Samples = Map<string, LoadResult[]>

/** Every lane once in each round, in an order that turns, on connections that stay open. */
export async function interleave(
  rig: Rig,
  plan: Plan,
  lanes: LaneSpec[],
  load: Omit<LoadSpec, 'lane' | 'warm_ms' | 'ms'>,
): Promise<Samples> {
  const samples: Samples = new Map(lanes.map(({ name }) => [name, []]))
  const warm: string[] = []
  for (const { name } of lanes) warm.push(`${name} ${await warmUp(rig, plan, { lane: name, ...load })}`)
  plan.say(`${load.kind}, ${load.outstanding} outstanding: warm after ${warm.join(', ')} windows`)
  for (let round = 0; round < plan.rounds && (round < LEAST_ROUNDS || performance.now() < plan.until); round++) {
    for (let at = 0; at < lanes.length; at++) {
      const lane = lanes[(round + at) % lanes.length]
      if (lane === undefined) continue
      const spec = { lane: lane.name, warm_ms: plan.warm_ms, ms: plan.window_ms, ...load }
      samples.get(lane.name)?.push(await rig.generator.do('load', spec))
    }
  }
  return samples
}

/**
 * Until the rates of two windows agree: before, code is being compiled, and the first round would be charged for it. A fixed time would be
 * too short on a slow machine. Answers how many windows it took.
 */
async function warmUp({ generator }: Rig, { first_ms, most_first }: Plan, load: Omit<LoadSpec, 'warm_ms' | 'ms'>): Promise<number> {
  let before = 0
  for (let windows = 1; ; windows++) {
    const { posts, ms } = await generator.do('load', { ...load, warm_ms: 0, ms: first_ms })
    const rate = posts / ms
    // A load of so many posts is no window: once is enough.
    if (windows >= most_first || load.count !== undefined || Math.abs(rate - before) <= AGREE * Math.max(rate, before)) return windows
    before = rate
  }
}

/** Opens the lanes, runs the work, closes them. */
export async function withLanes<T>(rig: Rig, lanes: LaneSpec[], work: () => Promise<T>): Promise<T> {
  for (const lane of lanes) await rig.generator.do('open', lane)
  try {
    return await work()
  } finally {
    for (const { name } of lanes) await rig.generator.do('close', { name })
  }
}

export interface Comparison {
  row: string
  work: string
  outstanding: string
  candidate: string
  baseline: string
  target?: { wall?: number; cpu?: number }
  of?: 'deliveries' | 'posts'
}

/** The line of a candidate and its baseline from their samples. */
export function compare(samples: Samples, about: Comparison): Line {
  const of = about.of ?? 'deliveries'
  const [ours, theirs] = [samples.get(about.candidate) ?? [], samples.get(about.baseline) ?? []]
  const rate = (one: LoadResult) => (one[of] * 1_000) / one.ms
  const cpu = (one: LoadResult) => one.server_cpu_us / one[of]
  const pairs = (value: (ours: LoadResult, theirs: LoadResult) => number) =>
    spread(ours.flatMap((one, round) => (theirs[round] ? [value(one, theirs[round])] : [])))
  const figure = (name: string, all: LoadResult[]): Figure => ({
    name,
    value: spread(all.map(rate)),
    cpu_us: spread(all.map(cpu)),
    ack_ms: { p50: spread(all.map(({ ack_ms }) => ack_ms.p50)).median, p99: spread(all.map(({ ack_ms }) => ack_ms.p99)).median },
  })
  const wall = pairs((one, other) => rate(one) / rate(other))
  const cpuRatio = pairs((one, other) => cpu(other) / cpu(one))
  const { target } = about
  const met =
    target && (target.wall === undefined || wall.median >= target.wall) && (target.cpu === undefined || cpuRatio.median >= target.cpu)
  const words = [target?.wall ? `wall ≥ ${target.wall}×` : '', target?.cpu ? `CPU ≥ ${target.cpu}×` : ''].filter(Boolean).join(', ')
  return {
    ...{ row: about.row, work: about.work, outstanding: about.outstanding, unit: `${of}/s` },
    ...{ candidate: figure(about.candidate, ours), baseline: figure(about.baseline, theirs), wall, cpu: cpuRatio },
    generator_cpu: spread(ours.map((one) => one.generator_cpu_us / 1_000 / one.ms)).median,
    ...(target ? { target: words, met: met === true } : {}),
    ...faults([...ours, ...theirs]),
  }
}

function faults(all: LoadResult[]): { note?: string } {
  const sum = (of: (one: LoadResult) => number) => all.reduce((total, one) => total + of(one), 0)
  const [lost, twice, refused] = [sum((one) => one.lost), sum((one) => one.twice), sum((one) => one.refused)]
  return lost + twice + refused === 0 ? {} : { note: `lost ${lost}, twice ${twice}, refused or unanswered ${refused}` }
}

export function spread(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median =
    sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
  return { median: median ?? Number.NaN, least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN }
}

/** The exponent of cost against size: the slope of a line through their logarithms. 1 = linear, 0 = the same at any size. */
export function exponent(points: { size: number; cost: number }[]): number {
  const logs = points.map(({ size, cost }) => ({ x: Math.log(size), y: Math.log(cost) }))
  const mean = (of: (point: { x: number; y: number }) => number) => logs.reduce((sum, point) => sum + of(point), 0) / logs.length
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)]
  return logs.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / logs.reduce((sum, point) => sum + (point.x - x) ** 2, 0)
}

/** What growth says in the table: the median cost at each size, and the exponent. */
export function growthLine(
  about: { row: string; work: string; outstanding: string; name: string; unit: string },
  points: { size: number; cost: number }[],
): Line {
  const value = spread([exponent(points)])
  return {
    ...{ row: about.row, work: about.work, outstanding: about.outstanding, unit: 'exponent' },
    candidate: { name: about.name, value },
    note: points.map(({ size, cost }) => `${size}: ${cost.toFixed(cost < 10 ? 2 : 0)} ${about.unit}`).join(', '),
  }
}
