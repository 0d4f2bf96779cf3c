/**
 * The type of every event. Apart from their schemas, so that a browser folds a room without loading zod; `events.ts` does not
 * compile when the two differ.
 */
export const eventTypes = [
  'contract.opened',
  'contract.ended',
  'message.posted',
  'call.requested',
  'call.approved',
  'call.denied',
  'call.expired',
  'call.started',
  'call.cancel_requested',
  'call.succeeded',
  'call.failed',
  'call.canceled',
  'call.timed_out',
  'call.abandoned',
  'agent.unhealthy',
  'agent.recovered',
  'key.ended',
  'permissions.changed',
  'permission.refused',
  'key.issued',
] as const

export type EventType = (typeof eventTypes)[number]
