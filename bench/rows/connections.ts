import { openContract, signUp } from '../../test/harness/people.ts'
import { residentBytes } from '../cpu.ts'
import type { MemberSpec } from '../member.ts'
import type { Rig } from '../rig.ts'
import { type Line, type Plan, spread } from '../rounds.ts'

const CUTS = { ms: 16_000, cuts_at_ms: [2_000, 7_000, 12_000] }
const QUICK_CUTS = { ms: 5_000, cuts_at_ms: [1_000] }
const SETTLE_MS = 4_000
const QUICK_SETTLE_MS = 1_000

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

/** B5: what a connection costs that only waits. Fresh processes for each measurement. */
export async function memory(rig: Rig, plan: Plan): Promise<Line[]> {
  const connections = plan.quick ? 500 : 10_000
  const rounds = plan.quick ? 1 : 2
  const lines: Line[] = []
  for (const role of plan.quick ? (['idle'] as const) : (['idle', 'member'] as const)) {
    const [ours, theirs]: [number[], number[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      const parley = await rig.parley()
      const { contract_id, requester } = await openContract(parley.hub)
      ours.push(
        await perConnection(
          rig,
          { dialect: 'parley', port: parley.port, room: contract_id, auth: requester.auth, role },
          parley.pids[0] ?? 0,
          connections,
        ),
      )
      await parley.stop()
      const bare = await rig.serve('bare-socket-io')
      theirs.push(await perConnection(rig, { dialect: 'socket.io', port: bare.port, room: 'idle', role }, bare.pids[0] ?? 0, connections))
      await bare.stop()
    }
    const ratio = spread(ours.map((bytes, round) => bytes / (theirs[round] ?? Number.NaN)))
    lines.push({
      ...{
        row: 'B5',
        work: `${connections} connections, ${role === 'idle' ? 'connected' : 'each in one room of them all'}`,
        outstanding: '–',
      },
      ...{ unit: 'bytes each (resident)', candidate: { name: 'Parley', value: spread(ours) } },
      baseline: { name: 'bare Socket.IO', value: spread(theirs) },
      note: `memory ratio ${ratio.median.toFixed(2)} (less is better), ${rounds} rounds`,
      ...(role === 'idle' ? { target: '≤ 1.05× memory', met: ratio.median <= 1.05 } : {}),
    })
  }
  return lines
}

async function perConnection({ generator }: Rig, spec: MemberSpec, pid: number, connections: number): Promise<number> {
  // Warm: what the first connections load and compile is not theirs.
  await generator.do(
    'gather',
    Array.from({ length: 50 }, () => spec),
  )
  await pause(500)
  const before = residentBytes(pid)
  await generator.do(
    'gather',
    Array.from({ length: connections }, () => spec),
  )
  await pause(connections > 1_000 ? SETTLE_MS : QUICK_SETTLE_MS)
  const bytes = (residentBytes(pid) - before) / connections
  await generator.do('scatter', undefined as never)
  return bytes
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
