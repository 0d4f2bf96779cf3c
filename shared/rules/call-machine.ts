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

/** Where a call is after one of its events. */
export const callStateAfter = {
  'call.requested': 'requested',
  'call.approved': 'approved',
  'call.started': 'running',
  'call.succeeded': 'succeeded',
  'call.failed': 'failed',
  'call.canceled': 'canceled',
  'call.timed_out': 'timed_out',
  'call.abandoned': 'abandoned',
  'call.denied': 'denied',
  'call.expired': 'expired',
} as const satisfies Partial<Record<EventType, CallState>>

export const hasCallStateAfter = (type: string): type is keyof typeof callStateAfter => Object.hasOwn(callStateAfter, type)

export type CallMoveEvent = keyof typeof callMoves
