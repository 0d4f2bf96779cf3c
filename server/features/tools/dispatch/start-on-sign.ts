import { type CallView, ParleyError } from '../../../../shared/protocol/index.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import type { Session } from '../../../pipeline/session.ts'

export interface StartOnSignDeps {
  log: Log
  /** The session that the connection said hello for. */
  sessionOn(session: Session): string | undefined
  start(frame: { contract_id: string; call_id: string; session_id: string }): Promise<void>
}

/**
 * A first chunk or a result shows that the agent has the call, even when its acknowledgement was lost: it becomes that of the session
 * which sent the sign. Only the provider's own word counts. Answers the session that sent it when the call is open to that one; refuses
 * HELLO_REQUIRED, and CALL_HELD when another session of the agent has the call.
 */
export function createStartOnSign({ log, sessionOn, start }: StartOnSignDeps) {
  return async function startOnSign(contract_id: string, call_id: string, session: Session): Promise<string | undefined> {
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
    else await start({ contract_id, call_id, session_id })
    return session_id
  }
}

/** A started call is its session's: what another one sends of it counts for nothing, for nobody knows which of the two works on it. */
export function refuseUnlessHolder({ call_id, session_id }: CallView, sender: string | undefined): void {
  if (sender !== session_id) throw new ParleyError('CALL_HELD', { call_id, session_id })
}
