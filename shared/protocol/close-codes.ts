/**
 * Why the hub closes a connection. Socket.IO has no close codes for the server, so the hub emits `closing {code}` first.
 * The ranges are for clients written before a code was: 4000–4199 come back with `since`, 4400–4499 come back with new
 * credentials, 4500–4599 stay away.
 */
export const closeCodes = {
  GOING_AWAY: 4001,
  SLOW_CONSUMER: 4008,
  CREDENTIALS_EXPIRED: 4401,
  CREDENTIALS_REVOKED: 4403,
  PROTOCOL_VIOLATION: 4500,
} as const

export type CloseCode = (typeof closeCodes)[keyof typeof closeCodes]

export type AfterClose = 'reconnect' | 'new-credentials' | 'final'

export function afterClose(code: number): AfterClose {
  if (code >= 4500) return 'final'
  if (code >= 4400) return 'new-credentials'
  return 'reconnect'
}
