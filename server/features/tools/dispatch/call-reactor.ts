import type { CallView, Limits, LogDraft } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import type { ReactorTable } from '../../../pipeline/background/reactors.ts'
import type { Timers } from '../../../pipeline/background/timers.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { contractOf } from '../../../pipeline/log/record.ts'
import type { StoredEvent } from '../../../pipeline/store/event-store.ts'
import { callEnds } from './call-ends.ts'
import type { Dispatch } from './dispatch.ts'

export interface CallReactorDeps {
  log: Log
  timers: Timers
  clock: Clock
  limits: Limits
  dispatch: Dispatch
  cancelByHub(frame: { contract_id: string; call_id: string; code: string; message: string }): Promise<void>
}

/** What follows from a call's events: its timers, and the word to the agent. Made here and not by the command, so that no crash leaves a call without an end. */
export function createCallReactor({ log, timers, clock, limits, dispatch, cancelByHub }: CallReactorDeps): ReactorTable {
  async function react(stream: string, { event }: StoredEvent): Promise<void> {
    const contract_id = contractOf(stream)
    const { room } = await log.open(stream)
    const agent_id = room.contract?.provider_id ?? ''
    switch (event.type) {
      case 'call.requested': {
        const { call_id, deadline } = event.data
        const due_ms = clock.now() + limits.abandon_after_ms
        // Beside its deadline, in one write: it is looked at from now on whether who has it is still there.
        await Promise.all([
          armTimeout(contract_id, agent_id, { call_id, deadline }),
          timers.arm({ id: `abandon:${call_id}`, due_ms, agent_id, frame: { type: 'call.abandon', contract_id, call_id } }),
        ])
        // As it stands now: by the time a crash is made good, it may have ended.
        const call = await settleIfOver(stream, call_id)
        // Who took it up may have less time than was asked for: a second try of this must not give it back.
        if (call !== undefined && call.deadline !== deadline) await armTimeout(contract_id, agent_id, call)
        if (call !== undefined) await dispatch.sendAnywhere(contract_id, agent_id, { call, term: room.floor.term })
        return
      }
      case 'call.started': {
        const { call_id, deadline } = event.data
        if (deadline !== undefined) await armTimeout(contract_id, agent_id, { call_id, deadline })
        await settleIfOver(stream, call_id)
        return
      }
      case 'call.cancel_requested': {
        const { call_id, reason } = event.data
        const frame = {
          type: 'call.cancel',
          contract_id,
          call_id,
          code: 'CANCELED',
          message: 'Canceled; the agent did not answer in time',
        } as const
        await timers.armUnlessSet({ id: `cancel:${call_id}`, due_ms: Date.parse(event.at) + limits.cancel_deadline_ms, agent_id, frame })
        const call = await settleIfOver(stream, call_id)
        if (call !== undefined) dispatch.tellCancel(agent_id, call, reason)
        return
      }
      case 'contract.ended': {
        for (const { call_id } of room.calls) {
          await cancelByHub({ contract_id, call_id, code: 'CONTRACT_ENDED', message: 'The contract has ended' })
        }
        return
      }
      case 'call.succeeded':
      case 'call.failed':
      case 'call.canceled':
      case 'call.timed_out':
      case 'call.abandoned':
      case 'call.denied':
      case 'call.expired': {
        const { call_id } = event.data
        await clear(call_id)
        // The hub ended it: the agent should not work on for nothing.
        if (event.by.kind === 'system') dispatch.tellCancel(agent_id, { call_id }, event.type)
        else dispatch.over(call_id)
        await dispatch.sendWaiting(agent_id)
        return
      }
    }
  }

  function armTimeout(contract_id: string, agent_id: string, { call_id, deadline }: Pick<CallView, 'call_id' | 'deadline'>) {
    const frame = { type: 'call.time_out', contract_id, call_id } as const
    return timers.arm({ id: `timeout:${call_id}`, due_ms: Date.parse(deadline), agent_id, frame })
  }

  /** The call as it stands; when it is over, the timers that were just made for it are taken back. */
  async function settleIfOver(stream: string, call_id: string) {
    const { room } = await log.open(stream)
    const call = room.calls.find((one) => one.call_id === call_id)
    if (call === undefined) await clear(call_id)
    return call
  }

  async function clear(call_id: string): Promise<void> {
    await timers.disarm([`timeout:${call_id}`, `cancel:${call_id}`, `abandon:${call_id}`])
  }

  const types = ['call.requested', 'call.cancel_requested', 'contract.ended', ...callEnds] as const
  const isNarrowed = ({ type, data }: LogDraft) => type === 'call.started' && data.deadline !== undefined
  return { ...Object.fromEntries(types.map((type) => [type, [react]])), 'call.started': [{ react, concerns: isNarrowed }] }
}
