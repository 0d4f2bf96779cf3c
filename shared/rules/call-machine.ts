import type { CallState, EventType } from '../protocol/index.ts'
import type { Machine } from './machine.ts'

export type CallMove = 'approve' | 'deny' | 'expire' | 'start' | 'succeed' | 'fail' | 'cancel' | 'time_out' | 'abandon'

const endings = { fail: 'failed', cancel: 'canceled', time_out: 'timed_out', abandon: 'abandoned' } as const

export const callMachine = {
  requested: { approve: 'approved', deny: 'denied', expire: 'expired', start: 'running', ...endings },
  approved: { start: 'running', ...endings },
  running: { succeed: 'succeeded', ...endings },
  succeeded: {},
  failed: {},
  canceled: {},
  timed_out: {},
  abandoned: {},
  denied: {},
  expired: {},
} as const satisfies Machine<CallState, CallMove>

/** Which move of the call an event made. */
export const callMoves = {
  'call.approved': 'approve',
  'call.denied': 'deny',
  'call.expired': 'expire',
  'call.started': 'start',
  'call.succeeded': 'succeed',
  'call.failed': 'fail',
  'call.canceled': 'cancel',
  'call.timed_out': 'time_out',
  'call.abandoned': 'abandon',
} as const satisfies Partial<Record<EventType, CallMove>>

/** Where a call is after one of its events; undefined for other events. They are named for it, but for the start. */
export function callStateAfter(type: string): CallState | undefined {
  const state = type === 'call.started' ? 'running' : type.replace('call.', '')
  // The cast holds: the machine's names are the states.
  return Object.hasOwn(callMachine, state) ? (state as CallState) : undefined
}

export type CallMoveEvent = keyof typeof callMoves
