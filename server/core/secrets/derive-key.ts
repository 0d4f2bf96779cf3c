import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

const LEAST_SECRET_BYTES = 32
const KEY_BYTES = 32

/** The hub's key for one purpose, derived from its one secret by HKDF (RFC 5869): no key tells anything about another. */
export function deriveKey(secret: string, purpose: string): KeyObject {
  if (Buffer.byteLength(secret) < LEAST_SECRET_BYTES) throw new Error(`the hub's secret is shorter than ${LEAST_SECRET_BYTES} bytes`)
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, 'parley/identity', purpose, KEY_BYTES)))
}
