import { profiledLoad, profilingOf } from '../profile/profiled.ts'
import type { ParleyServer, Rig } from '../rig.ts'
import { bareLane, hubLane, peopleOf, type Size } from '../rooms.ts'
import { type Comparison, compare, growthLine, interleave, type Line, type Plan, type Samples, spread, withLanes } from '../rounds.ts'

const SMALL: Size = { rooms: 20, members: 5 }
const LARGE: Size = { rooms: 4, members: 50 }
const HUGE: Size = { rooms: 2, members: 150 }

/** B1: what is not the room's log. Chunks of tools' streams: shown at once, acknowledged when saved. */
export async function ephemeralFanOut(rig: Rig, plan: Plan): Promise<Line[]> {
  const [parley, bare, ws] = [await rig.parley(profilingOf(rig, plan)), await rig.serve('bare-socket-io'), await rig.serve('bare-ws')]
  const people = await peopleOf(parley)
  const other = await otherHub(rig, plan)
  const lines: Line[] = []
  const costs: { size: number; cost: number }[] = []
  for (const size of sizes(plan)) {
    const lanes = [
      await hubLane(parley, people, { name: 'Parley', size, hasAgents: true }),
      ...(await other.lane({ size, hasAgents: true })),
      bareLane(bare, { name: 'bare Socket.IO', size }),
      bareLane(ws, { name: 'bare ws', size, dialect: 'ws' }),
    ]
    await withLanes(rig, lanes, async () => {
      const samples = await interleave(rig, plan, lanes, { kind: 'stream', outstanding: 10 })
      const about = { row: 'B1', work: `ephemeral (chunks), rooms of ${size.members}`, outstanding: '10', candidate: 'Parley' }
      const target = size.members === 50 ? { wall: 5 } : undefined
      lines.push(compare(samples, { ...about, baseline: 'bare Socket.IO', ...(target ? { target } : {}) }))
      lines.push(compare(samples, { ...about, baseline: 'bare ws' }))
      lines.push(...other.compare(samples, about))
      costs.push({ size: size.members, cost: costPerPost(samples.get('Parley') ?? []) })
      await profileHere(rig, plan, { hub: parley, ...about, kind: 'stream' })
    })
  }
  lines.push(growth('B1', 'ephemeral', costs))
  await stopAll(parley, bare, ws, other)
  return lines
}

/** B2: messages in the log, each acknowledged once it is on disk. */
export async function durableFanOut(rig: Rig, plan: Plan): Promise<Line[]> {
  const database = await rig.database()
  const parley = await rig.parley({ ...profilingOf(rig, plan), database })
  const bare = await rig.serve('bare-socket-io')
  const naive = await rig.serve('naive-hub', { MONGODB_URI: database.uri.replace(/\/(\?|$)/, '/naive$1') }, [database.pid])
  const people = await peopleOf(parley)
  const other = await otherHub(rig, plan)
  const lines: Line[] = []
  const costs: { size: number; cost: number }[] = []
  for (const size of sizes(plan)) {
    const lanes = [
      await hubLane(parley, people, { name: 'Parley', size }),
      ...(await other.lane({ size })),
      bareLane(bare, { name: 'bare Socket.IO', size }),
      bareLane(naive, { name: 'naive hub', size }),
    ]
    await withLanes(rig, lanes, async () => {
      for (const outstanding of size === HUGE ? [5] : plan.quick ? [5] : [1, 5, 10]) {
        const samples = await interleave(rig, plan, lanes, { kind: 'post', outstanding })
        const about = { row: 'B2', work: `durable, rooms of ${size.members}`, outstanding: String(outstanding), candidate: 'Parley' }
        const target = targetOf(size, outstanding)
        lines.push(compare(samples, { ...about, baseline: 'bare Socket.IO', ...(target ? { target } : {}) }))
        const beatsNaive = size === SMALL && outstanding === 5 ? { target: { cpu: 10 } } : {}
        lines.push(compare(samples, { ...about, baseline: 'naive hub', ...beatsNaive }))
        lines.push(...other.compare(samples, about))
        if (outstanding !== 5) continue
        costs.push({ size: size.members, cost: costPerPost(samples.get('Parley') ?? []) })
        await profileHere(rig, plan, { hub: parley, ...about, kind: 'post' })
      }
      if (size === SMALL) lines.push(await acknowledged(rig, plan, lines))
    })
  }
  lines.push(growth('B2', 'durable', costs))
  await stopAll(parley, bare, naive, other)
  return lines
}

/** With `--profile`: where the hub's time went in this work. */
async function profileHere(
  rig: Rig,
  { profiles, warm_ms }: Plan,
  { hub, row, work, kind, outstanding }: { hub: ParleyServer; row: string; work: string; kind: 'post' | 'stream'; outstanding: string },
): Promise<void> {
  const load = { lane: 'Parley', kind, outstanding: Number(outstanding), warm_ms, row, work, unit: kind === 'post' ? 'post' : 'chunk' }
  profiles?.push(await profiledLoad(rig, hub.hub.pid, load))
}

/** With `--against <commit>`: that commit's hub as one more lane of the same rounds, so that a change is measured where it was made. */
async function otherHub(rig: Rig, { against }: Plan) {
  if (against === undefined) return { lane: async () => [], compare: () => [], stop: async () => {} }
  const { server, name } = await rig.parleyAt(against)
  const people = await peopleOf(server)
  return {
    lane: async (about: { size: Size; hasAgents?: boolean }) => [await hubLane(server, people, { name, ...about })],
    compare: (samples: Samples, about: Omit<Comparison, 'baseline'>) => [compare(samples, { ...about, baseline: name })],
    stop: server.stop,
  }
}

function targetOf(size: Size, outstanding: number): { wall?: number; cpu?: number } | undefined {
  if (size === LARGE && outstanding === 10) return { wall: 3.5 }
  if (size === SMALL && outstanding === 5) return { wall: 1.2 }
  return outstanding === 1 && size === SMALL ? { wall: 0.6, cpu: 0.9 } : undefined
}

/** Open loop: the latency counts from when a post was meant to be sent, at 30 % of what bare Socket.IO can take. */
async function acknowledged(rig: Rig, plan: Plan, lines: Line[]): Promise<Line> {
  const saturated = lines.filter(({ work, baseline }) => work === 'durable, rooms of 5' && baseline?.name === 'bare Socket.IO')
  const rate = 0.3 * (Math.max(...saturated.map(({ baseline }) => baseline?.value.median ?? 0)) / SMALL.members)
  const spec = { lane: 'Parley', kind: 'post', outstanding: 0, rate, warm_ms: plan.warm_ms, ms: plan.window_ms * 2 } as const
  const all = []
  for (let round = 0; round < plan.rounds; round++) all.push(await rig.generator.do('load', spec))
  const [p50, p99] = [spread(all.map(({ ack_ms }) => ack_ms.p50)), spread(all.map(({ ack_ms }) => ack_ms.p99))]
  return {
    ...{
      row: 'B2',
      work: 'acknowledgement at 30 % of bare saturation',
      outstanding: `open loop, ${Math.round(rate)} posts/s`,
      unit: 'ms (p50)',
    },
    candidate: { name: 'Parley', value: p50, ack_ms: { p50: p50.median, p99: p99.median } },
    generator_cpu: spread(all.map((one) => one.generator_cpu_us / 1_000 / one.ms)).median,
    ...{ target: 'p50 ≤ 4 ms, p99 ≤ 15 ms', met: p50.median <= 4 && p99.median <= 15 },
  }
}

/** B8: the hub on its own database, and on FerretDB with DocumentDB. */
export async function databases(rig: Rig, plan: Plan): Promise<Line[]> {
  const uri = await foreignDatabase()
  if (uri === undefined) return [{ ...skipped('B8', 'embedded database'), note: 'no FerretDB or MongoDB answers' }]
  const [own, foreign, bare] = [await rig.parley(), await rig.parley({ env: { MONGODB_URI: uri.hub } }), await rig.serve('bare-socket-io')]
  rig.onClose(uri.drop)
  const lanes = [
    await hubLane(own, await peopleOf(own), { name: 'Parley, embedded', size: SMALL }),
    await hubLane(foreign, await peopleOf(foreign), { name: 'Parley, FerretDB', size: SMALL }),
    bareLane(bare, { name: 'bare Socket.IO', size: SMALL }),
  ]
  const lines = await withLanes(rig, lanes, async () => {
    const samples = await interleave(rig, plan, lanes, { kind: 'post', outstanding: 5 })
    const about = { row: 'B8', work: 'durable, rooms of 5', outstanding: '5' }
    return [
      compare(samples, { ...about, candidate: 'Parley, embedded', baseline: 'Parley, FerretDB' }),
      compare(samples, { ...about, candidate: 'Parley, FerretDB', baseline: 'bare Socket.IO' }),
    ].map((line) => ({ ...line, note: [line.note, 'CPU of FerretDB itself is not counted'].filter(Boolean).join('; ') }))
  })
  await stopAll(own, foreign, bare)
  return lines
}

async function foreignDatabase(): Promise<{ hub: string; drop(): Promise<void> } | undefined> {
  const { default: mongoose } = await import('mongoose')
  const given = process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1:27018/'
  const name = `bench_${process.pid}_${Date.now()}`
  const hub = new URL(given)
  hub.pathname = `/${name}`
  try {
    const connection = await mongoose.createConnection(hub.href, { serverSelectionTimeoutMS: 1_500 }).asPromise()
    await connection.db?.command({ ping: 1 })
    const drop = async () => {
      await connection.dropDatabase()
      await connection.close()
    }
    return { hub: hub.href, drop }
  } catch {
    // Nobody there is an answer too.
    return undefined
  }
}

export function skipped(row: string, work: string): Line {
  const nothing = { median: Number.NaN, least: Number.NaN, most: Number.NaN }
  return { row, work, outstanding: '', unit: 'not run', candidate: { name: 'Parley', value: nothing } }
}

function sizes(plan: Plan): Size[] {
  return plan.quick ? [SMALL, LARGE] : [SMALL, LARGE, HUGE]
}

function costPerPost(all: { server_cpu_us: number; posts: number }[]): number {
  return spread(all.map(({ server_cpu_us, posts }) => server_cpu_us / posts)).median
}

function growth(row: string, work: string, points: { size: number; cost: number }[]): Line {
  return growthLine(
    { row, work: `${work}: CPU per post by members of the room`, outstanding: row === 'B1' ? '10' : '5', name: 'Parley', unit: 'µs' },
    points,
  )
}

async function stopAll(...servers: { stop(): Promise<void> }[]): Promise<void> {
  for (const server of servers) await server.stop()
}
