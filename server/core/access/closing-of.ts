import { type CloseCode, closeCodes, type KeyEndReason } from '../../../shared/protocol/index.ts'

const closings: Record<KeyEndReason, { code: CloseCode; reason: string }> = {
  revoked: { code: closeCodes.CREDENTIALS_REVOKED, reason: 'The key was revoked' },
  rotated: { code: closeCodes.CREDENTIALS_REVOKED, reason: 'The key was replaced by a newer one' },
  expired: { code: closeCodes.CREDENTIALS_EXPIRED, reason: 'The key has expired' },
}

/** What the connections of a key are told when it has ended. */
export function closingOf(reason: KeyEndReason): { code: CloseCode; reason: string } {
  return closings[reason]
}
