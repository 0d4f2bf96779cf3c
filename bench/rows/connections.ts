import { fileURLToPath } from 'node:url'
import { openContract, signUp } from '../../test/harness/people.ts'
import { residentBytes } from '../cpu.ts'
import type { MemberSpec } from '../member.ts'
import type { Rig } from '../rig.ts'
import { type Line, type Plan, spread } from '../rounds.ts'

const CUTS = { ms: 16_000, cuts_at_ms: [2_000, 7_000, 12_000] }
const QUICK_CUTS = { ms: 5_000, cuts_at_ms: [1_000] }
const WARM = 200
const COLLECT_MS = 1_500
/** SIGUSR2 collects the garbage of a process that was started so. */
const COLLECTING = { NODE_OPTIONS: `--import=${fileURLToPath(new URL('../../test/faults/collect-on-signal.ts', import.meta.url))}` }

/** B4: the network goes away for two seconds at a time. */
export async function drops(rig: Rig, plan: Plan): Promise<Line[]> {
  const [parley, plain, recovering] = [
    await rig.parley(),
    await rig.serve('bare-socket-io'),
    await rig.serve('bare-socket-io', { RECOVERY: '1' }),
  ]
  const requester = await signUp(parley.hub)
  const lines: Line[] = []
  const baselines = [
    ['Socket.IO defaults', plain],
    ['Socket.IO state recovery', recovering],
  ] as const
  for (const [name, bare] of plan.quick ? baselines.slice(0, 1) : baselines) {
    const { contract_id } = await openContract(parley.hub, { requester })
    const spec = { parley: { port: parley.port, contract_id, token: requester.bearer }, bare: { port: bare.port, room: 'cut' } }
    const { parley: ours, bare: theirs } = await rig.generator.do('cuts', { ...spec, ...(plan.quick ? QUICK_CUTS : CUTS) })
    const share = ({ posted, delivered }: { posted: number; delivered: number }) => spread([(100 * delivered) / posted])
    lines.push({
      ...{ row: 'B4', work: '2 s network cuts, a reader', outstanding: 'open loop, 100 posts/s', unit: '% delivered' },
      candidate: { name: 'Parley sdk', value: share(ours) },
      baseline: { name, value: share(theirs) },
      note: `lost ${ours.lost} of ${ours.posted}, twice ${ours.twice}; baseline lost ${theirs.lost}, twice ${theirs.twice}; the same cuts at once`,
      ...{ target: '100 %, 0 twice', met: ours.lost === 0 && ours.twice === 0 },
    })
  }
  for (const server of [parley, plain, recovering]) await server.stop()
  return lines
}

/**
 * B5: what a connection costs that only waits. Fresh processes for each measurement, and each collects its garbage before it is looked at:
 * what was needed to let someone in is not what is kept of him.
 */
export async function memory(rig: Rig, plan: Plan): Promise<Line[]> {
  const connections = plan.quick ? 500 : 10_000
  const rounds = plan.quick ? 1 : 2
  const lines: Line[] = []
  for (const role of plan.quick ? (['idle'] as const) : (['idle', 'member'] as const)) {
    const [ours, theirs]: [Kept[], Kept[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      const parley = await rig.parley({ env: COLLECTING })
      const { contract_id, requester } = await openContract(parley.hub)
      const spec = { dialect: 'parley', port: parley.port, room: contract_id, auth: requester.auth, role } as const
      ours.push(await perConnection(rig, spec, parley.pids[0] ?? 0, connections))
      await parley.stop()
      const bare = await rig.serve('bare-socket-io', COLLECTING)
      theirs.push(await perConnection(rig, { dialect: 'socket.io', port: bare.port, room: 'idle', role }, bare.pids[0] ?? 0, connections))
      await bare.stop()
    }
    lines.push(memoryLine({ role, connections, ours, theirs }))
  }
  return lines
}

interface Kept {
  resident: number
}

interface MemoryRounds {
  role: 'idle' | 'member'
  connections: number
  ours: Kept[]
  theirs: Kept[]
}

function memoryLine({ role, connections, ours, theirs }: MemoryRounds): Line {
  const ratio = spread(ours.map(({ resident }, round) => resident / (theirs[round]?.resident ?? Number.NaN)))
  return {
    ...{ row: 'B5', work: `${connections} connections, ${role === 'idle' ? 'connected' : 'each in one room of them all'}` },
    ...{ outstanding: '–', unit: 'bytes each (resident)' },
    candidate: { name: 'Parley', value: spread(ours.map(({ resident }) => resident)) },
    baseline: { name: 'bare Socket.IO', value: spread(theirs.map(({ resident }) => resident)) },
    note: `memory ratio ${ratio.median.toFixed(2)} (less is better), ${ours.length} rounds, behind a collection of garbage`,
    ...(role === 'idle' ? { target: '≤ 1.05× memory', met: ratio.median <= 1.05 } : {}),
  }
}

async function perConnection({ generator }: Rig, spec: MemberSpec, pid: number, connections: number): Promise<Kept> {
  // Warm: what the first connections load and compile is not theirs.
  await generator.do(
    'gather',
    Array.from({ length: WARM }, () => spec),
  )
  const before = await residentOf(pid)
  await generator.do(
    'gather',
    Array.from({ length: connections }, () => spec),
  )
  const resident = ((await residentOf(pid)) - before) / connections
  await generator.do('scatter', undefined as never)
  return { resident }
}

/** Twice, for what is freed by the first collection may hold what the second one frees. */
async function residentOf(pid: number): Promise<number> {
  for (let turn = 0; turn < 2; turn++) {
    process.kill(pid, 'SIGUSR2')
    await pause(COLLECT_MS)
  }
  return residentBytes(pid)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
