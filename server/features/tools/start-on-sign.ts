import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Log } from '../../pipeline/log.ts'
import { streamOf } from '../../pipeline/record.ts'
import type { Session } from '../../pipeline/session.ts'
import type { Reach } from './dispatch.ts'

export interface StartOnSignDeps {
  log: Log
  sessionsOf(agent_id: string): readonly Reach[]
  start(frame: { contract_id: string; call_id: string; session_id: string }): Promise<void>
}

/**
 * A first chunk or a result shows that the agent has the call, even when its acknowledgement was lost: it becomes that of the session
 * which sent the sign. Only the provider's own word counts. Answers whether the call was open to it; refuses HELLO_REQUIRED.
 */
export function createStartOnSign({ log, sessionsOf, start }: StartOnSignDeps) {
  return async function startOnSign(contract_id: string, call_id: string, session: Session): Promise<boolean> {
    // Another node may have recorded what this one has not folded yet: the agent came over from there.
    const isKnown = (await log.open(streamOf(contract_id))).room.calls.some((one) => one.call_id === call_id)
    const { room } = await (isKnown ? log.open(streamOf(contract_id)) : log.refresh(streamOf(contract_id)))
    const { id, kind } = session.principal
    const call = room.calls.find((one) => one.call_id === call_id)
    if (kind !== 'agent' || room.contract?.provider_id !== id || call === undefined) return false
    if (call.state === 'running') return true
    if (call.requires_approval && call.state === 'requested') return false
    const live = sessionsOf(id).find((one) => one.session === session)
    if (live === undefined) throw new ParleyError('HELLO_REQUIRED')
    await start({ contract_id, call_id, session_id: live.session_id })
    return true
  }
}
