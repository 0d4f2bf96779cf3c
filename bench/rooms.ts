import { openContract, type Person, registerAgent, signUp } from '../test/harness/people.ts'
import type { LaneSpec } from './lane.ts'
import type { MemberSpec } from './member.ts'
import type { ParleyServer, Server } from './rig.ts'

export interface Size {
  rooms: number
  members: number
}

export interface People {
  requester: Person
  reviewer: Person
}

/** Who sits in a hub's rooms: the requester, who sees no staff notes, and a reviewer, who does, each on many devices. */
export async function peopleOf({ hub }: ParleyServer): Promise<People> {
  return { requester: await signUp(hub), reviewer: await signUp(hub, ['reviewer'], 'Grace') }
}

/** Rooms on a hub, half of each in either audience. With agents, each room's provider has a connection of its own with a tool. */
export async function hubLane(
  { hub, port, pids }: ParleyServer,
  { requester, reviewer }: People,
  { name, size, hasAgents = false, ports = [port] }: { name: string; size: Size; hasAgents?: boolean; ports?: number[] },
): Promise<LaneSpec> {
  const rooms: LaneSpec['rooms'] = []
  const shared = hasAgents ? undefined : await registerAgent(hub)
  for (let n = 0; n < size.rooms; n++) {
    const provider = shared ?? (await registerAgent(hub))
    const { contract_id } = await openContract(hub, { requester, provider })
    const members = Array.from({ length: size.members }, (_, at): MemberSpec => {
      const { auth } = at % 2 === 0 ? requester : reviewer
      return { dialect: 'parley', port: ports[(at >> 1) % ports.length] ?? port, room: contract_id, auth }
    })
    const agent: MemberSpec = { dialect: 'parley', port, room: contract_id, auth: provider.auth, role: 'agent' }
    rooms.push({ members, ...(hasAgents ? { agent } : {}) })
  }
  return { name, rooms, pids }
}

/** The same rooms on a server that keeps nothing. */
export function bareLane(
  { port, pids }: Server,
  { name, size, dialect = 'socket.io', hasAgents = false }: { name: string; size: Size; dialect?: 'socket.io' | 'ws'; hasAgents?: boolean },
): LaneSpec {
  const rooms = Array.from({ length: size.rooms }, (_, n) => {
    const spec: MemberSpec = { dialect, port, room: `${name} ${n}` }
    const members = Array.from({ length: size.members }, () => spec)
    return { members, ...(hasAgents ? { agent: { ...spec, role: 'agent' as const } } : {}) }
  })
  return { name, rooms, pids }
}
