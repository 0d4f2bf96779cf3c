import type { Limits } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Timers } from '../../../pipeline/background/timers.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import type { Dispatch } from './dispatch.ts'

/** A session's connection was lost: its running calls have so long to get it back, and those it had not started go to another session. */
export async function afterLoss(
  { timers, dispatch, log, clock, limits }: { timers: Timers; dispatch: Dispatch; log: Log; clock: Clock; limits: Limits },
  { agent_id, session_id }: { agent_id: string; session_id: string },
): Promise<void> {
  const running = await timers.ofAgents([agent_id], 'call.abandon')
  for (const { _id, contract_id, frame } of running) {
    const { room } = await log.open(streamOf(contract_id))
    const call = frame.type === 'call.abandon' ? room.calls.find((one) => one.call_id === frame.call_id) : undefined
    if (call?.session_id === session_id) await timers.arm({ id: _id, due_ms: clock.now() + limits.abandon_after_ms, agent_id, frame })
  }
  await dispatch.sendOpenCallsAnywhere([agent_id])
}
