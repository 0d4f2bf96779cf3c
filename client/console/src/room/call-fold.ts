import type { By, CallError, CallState, RecordedEvent, StreamSeal } from '../../../../shared/protocol/index.ts'
import { callMachine, callStateAfter } from '../../../../shared/rules/call-machine.ts'
import { isFinal } from '../../../../shared/rules/machine.ts'

export type CallEvent = Extract<RecordedEvent, { data: { call_id: string } }>

/** One call as far as the loaded part of the log tells of it. */
export interface CallFold {
  call_id: string
  /** The call's first and last event that are loaded. */
  first: number
  last: number
  state: CallState
  /** When the first loaded event was recorded. */
  at: string
  isCancelRequested: boolean
  /** Undefined when the request stands in an older page. */
  request?: { tool: string; input: unknown; by: By; at: string; requires_approval: boolean; risk: 'low' | 'high' }
  tool?: string
  started_at?: string
  ended_at?: string
  output?: unknown
  error?: CallError
  reason?: string
  stream?: StreamSeal
}

export function isCallEvent(event: { type: string }): event is CallEvent {
  return event.type === 'call.cancel_requested' || callStateAfter(event.type) !== undefined
}

export function isEnded({ state }: { state: CallState }): boolean {
  return isFinal(callMachine, state)
}

export function foldCall(call: CallFold | undefined, event: CallEvent): CallFold {
  const before: CallFold = call ?? {
    ...{ call_id: event.data.call_id, first: event.seq, last: event.seq },
    ...{ at: event.at, state: 'requested', isCancelRequested: false },
  }
  // The hub records one outcome; whatever might follow it changes nothing.
  if (isEnded(before)) return { ...before, last: event.seq }
  const moved: CallFold = { ...before, last: event.seq, state: callStateAfter(event.type) ?? before.state }
  if (isEnded(moved)) moved.ended_at = event.at
  return { ...moved, ...detailsOf(event, moved) }
}

function detailsOf(event: CallEvent, { request }: CallFold): Partial<CallFold> {
  switch (event.type) {
    case 'call.requested': {
      const { tool, input, requires_approval, risk } = event.data
      return { tool, request: { tool, input, by: event.by, at: event.at, requires_approval, risk } }
    }
    case 'call.approved':
      return request && event.data.decided !== undefined ? { request: { ...request, input: event.data.decided } } : {}
    case 'call.denied':
    case 'call.expired':
      return event.data.reason === undefined ? {} : { reason: event.data.reason }
    case 'call.started':
      return { started_at: event.at }
    case 'call.cancel_requested':
      return { isCancelRequested: true, ...(event.data.reason === undefined ? {} : { reason: event.data.reason }) }
    case 'call.succeeded': {
      const { tool, output, stream } = event.data
      return { tool, output, ...(stream ? { stream } : {}) }
    }
    default: {
      const { tool, error, stream } = event.data
      return { tool, error, ...(stream ? { stream } : {}) }
    }
  }
}
