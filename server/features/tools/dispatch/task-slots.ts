import type { CallView } from '../../../../shared/protocol/index.ts'
import { countedAs, type Principal } from '../../../core/access/principal.ts'
import { profileOf } from '../../../core/access/profile.ts'
import type { Timers } from '../../../pipeline/background/timers.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import { createCallTurns } from '../calls/call-turns.ts'

export interface TaskSlotsDeps {
  log: Log
  timers: Pick<Timers, 'ofAgents'>
  /** Which of the agent's sessions, of all nodes, are of the key or count as it. */
  sessionsOfKey(agent_id: string, key_id: string): Promise<ReadonlySet<string>>
}

/**
 * How many calls a key has under way, where its profile bounds them: those that its sessions started, and those that this node has sent
 * them and that are not started yet. What another node sends in the same moment is not among them.
 */
export function createTaskSlots({ log, timers, sessionsOfKey }: TaskSlotsDeps) {
  const turns = createCallTurns()
  const given = new Map<string, Set<string>>()

  /** False when the key has as many as it may. A call that has its place already keeps it. */
  async function take(principal: Principal, call_id: string): Promise<boolean> {
    const { id: agent_id } = principal
    const most = profileOf(principal)?.max_concurrent_tasks
    const key_id = countedAs(principal)
    if (most === undefined || key_id === undefined) return true
    return turns.take(key_id, async () => {
      const taken = await underWay(agent_id, key_id)
      if (!taken.has(call_id) && taken.size >= most) return false
      given.set(key_id, (given.get(key_id) ?? new Set()).add(call_id))
      return true
    })
  }

  async function underWay(agent_id: string, key_id: string): Promise<Set<string>> {
    const [calls, sessions] = await Promise.all([openCallsOf(agent_id), sessionsOfKey(agent_id, key_id)])
    const isTaken = ({ call_id, state, session_id = '' }: CallView) =>
      state === 'running' ? sessions.has(session_id) : (given.get(key_id)?.has(call_id) ?? false)
    // What ended unheard is not among the open ones, and gives its place back.
    return new Set(calls.filter(isTaken).map(({ call_id }) => call_id))
  }

  /** Of all rooms: each has a timer for its deadline, set before it is sent to anyone. */
  async function openCallsOf(agent_id: string): Promise<CallView[]> {
    const contracts = new Set((await timers.ofAgents([agent_id], 'call.time_out')).map(({ contract_id }) => contract_id))
    return (await Promise.all([...contracts].map((id) => log.open(streamOf(id))))).flatMap(({ room }) => room.calls)
  }

  /** It was started, and is counted by that; or it will not be. */
  function release(principal: Principal, call_id: string): void {
    const key_id = countedAs(principal) ?? ''
    const held = given.get(key_id)
    held?.delete(call_id)
    if (held?.size === 0) given.delete(key_id)
  }

  return { take, release }
}

export type TaskSlots = ReturnType<typeof createTaskSlots>
