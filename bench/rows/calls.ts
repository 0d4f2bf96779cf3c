import { profiledLoad, profilingOf } from '../profile/profiled.ts'
import type { Rig } from '../rig.ts'
import { bareLane, hubLane, peopleOf } from '../rooms.ts'
import { compare, interleave, type Line, type Plan, withLanes } from '../rounds.ts'

/** B6: a tool call there and back, and a stream. Parley records four things about a call; the baseline forwards a request and an answer. */
export async function calls(rig: Rig, plan: Plan): Promise<Line[]> {
  const [parley, bare] = [await rig.parley(profilingOf(rig, plan)), await rig.serve('bare-socket-io')]
  const people = await peopleOf(parley)
  const lines: Line[] = []
  const size = { rooms: 10, members: 1 }
  const lanes = [
    await hubLane(parley, people, { name: 'Parley', size, hasAgents: true }),
    bareLane(bare, { name: 'bare Socket.IO', size, hasAgents: true }),
  ]
  const about = { row: 'B6', candidate: 'Parley', baseline: 'bare Socket.IO', of: 'posts' as const }
  await withLanes(rig, lanes, async () => {
    for (const outstanding of [1, 10]) {
      const samples = await interleave(rig, plan, lanes, { kind: 'call', outstanding })
      lines.push(compare(samples, { ...about, work: 'tool call until its outcome is seen, 10 rooms', outstanding: String(outstanding) }))
      if (outstanding === 1) continue
      const load = {
        lane: 'Parley',
        kind: 'call',
        outstanding,
        warm_ms: plan.warm_ms,
        row: 'B6',
        work: 'tool calls',
        unit: 'call',
      } as const
      plan.profiles?.push(await profiledLoad(rig, parley.hub.pid, load))
    }
  })
  const one = { rooms: 1, members: 1 }
  const streams = [
    await hubLane(parley, people, { name: 'Parley', size: one, hasAgents: true }),
    bareLane(bare, { name: 'bare Socket.IO', size: one }),
  ]
  await withLanes(rig, streams, async () => {
    const count = plan.quick ? 1_000 : 10_000
    const samples = await interleave(rig, { ...plan, warm_ms: 0 }, streams, { kind: 'stream', outstanding: 16, count })
    lines.push(compare(samples, { ...about, work: `stream of ${count} chunks, one room`, outstanding: '16' }))
  })
  await parley.stop()
  await bare.stop()
  return lines
}
