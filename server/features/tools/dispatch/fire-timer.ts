import type { Limits } from '../../../../shared/protocol/index.ts'
import { system } from '../../../core/access/principal.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Fired, TimerFrame } from '../../../pipeline/background/timers.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { type RecordFrame, streamOf } from '../../../pipeline/log/record.ts'
import type { SystemCalls } from './system-calls.ts'

export interface FireDeps {
  record: RecordFrame
  calls: SystemCalls
  log: Log
  clock: Clock
  limits: Limits
  /** When a session was last known to have its connection. */
  heldAt(agent_id: string, session_id: string): Promise<number>
}

/** What the timer of a call does when it is due. Whether it still may is decided by the log. */
export function createFireTimer({ record, calls, log, clock, limits, heldAt }: FireDeps) {
  return async function fireTimer(frame: TimerFrame): Promise<Fired> {
    switch (frame.type) {
      case 'call.time_out':
        await record(calls.timeOutCall, frame, system)
        return { done: true }
      case 'call.cancel':
        await record(calls.cancelByHub, frame, system)
        return { done: true }
      case 'call.abandon':
        return abandonUnlessHeld(frame)
      default:
        throw new Error(`no timer sends ${frame.type}`)
    }
  }

  /** A call stays with its session while that lives, here or on another node. */
  async function abandonUnlessHeld(frame: Extract<TimerFrame, { type: 'call.abandon' }>): Promise<Fired> {
    const { room } = await log.refresh(streamOf(frame.contract_id))
    const call = room.calls.find(({ call_id }) => call_id === frame.call_id)
    if (call === undefined) return { done: true }
    // Nobody has it yet.
    if (call.session_id === undefined) return { due_ms: clock.now() + limits.abandon_after_ms }
    const agent_id = room.contract?.provider_id ?? ''
    const due_ms = (await heldAt(agent_id, call.session_id)) + limits.abandon_after_ms
    if (due_ms > clock.now()) return { due_ms }
    await record(calls.abandonCall, frame, system)
    return { done: true }
  }
}
