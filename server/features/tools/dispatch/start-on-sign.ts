import { type CallView, ParleyError } from '../../../../shared/protocol/index.ts'
import { executionBoundOf, requireProfile } from '../../../core/access/profile.ts'
import type { SystemFrames } from '../../../pipeline/command.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import type { Session } from '../../../pipeline/session.ts'
import type { TaskSlots } from './task-slots.ts'

export interface StartOnSignDeps {
  log: Log
  /** The session that the connection said hello for. */
  sessionOn(session: Session): string | undefined
  start(frame: SystemFrames['call.start']): Promise<void>
  slots: TaskSlots
}

/**
 * A first chunk or a result shows that the agent has the call, even when its acknowledgement was lost: it becomes that of the session
 * which sent the sign. Only the provider's own word counts. Answers the session that sent it when the call is open to that one; refuses
 * HELLO_REQUIRED, CALL_HELD when another session of the agent has the call, and PROFILE_VIOLATED when the key of this one may not have it.
 */
export function createStartOnSign({ log, sessionOn, start, slots }: StartOnSignDeps) {
  return async function startOnSign(contract_id: string, call_id: string, session: Session): Promise<string | undefined> {
    // As good as the acknowledgement, for which nobody need wait any more.
    session.settle(call_id)
    // Another node may have recorded what this one has not folded yet: the agent came over from there.
    const isKnown = (await log.open(streamOf(contract_id))).room.calls.some((one) => one.call_id === call_id)
    const { room } = await (isKnown ? log.open(streamOf(contract_id)) : log.refresh(streamOf(contract_id)))
    const { id, kind } = session.principal
    const call = room.calls.find((one) => one.call_id === call_id)
    if (kind !== 'agent' || room.contract?.provider_id !== id || call === undefined) return undefined
    if (call.requires_approval && call.state === 'requested') return undefined
    const session_id = sessionOn(session)
    if (session_id === undefined) throw new ParleyError('HELLO_REQUIRED')
    if (call.state === 'running') refuseUnlessHolder(call, session_id)
    else await startHere(session, { contract_id, call, session_id })
    return session_id
  }

  /** The hub may not have sent it there: then the session's key may not be allowed to have it. */
  async function startHere(
    { principal }: Session,
    { contract_id, call, session_id }: { contract_id: string; call: CallView; session_id: string },
  ): Promise<void> {
    const { call_id, tool } = call
    requireProfile(principal, { tools: [tool] })
    if (!(await slots.take(principal, call_id))) {
      const detail = 'The key has as many calls under way as its profile allows'
      throw new ParleyError('PROFILE_VIOLATED', { detail, rule: 'max_concurrent_tasks' })
    }
    const most_ms = executionBoundOf(principal)
    const frame = { contract_id, call_id, session_id, ...(most_ms === undefined ? {} : { most_ms }) }
    await start(frame).finally(() => slots.release(principal, call_id))
  }
}

/** A started call is its session's: what another one sends of it counts for nothing, for nobody knows which of the two works on it. */
export function refuseUnlessHolder({ call_id, session_id }: CallView, sender: string | undefined): void {
  if (sender !== session_id) throw new ParleyError('CALL_HELD', { call_id, session_id })
}
