import { createHmac, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import { parse as parseUuid, stringify as stringifyUuid } from 'uuid'

const ID_BYTES = 16
const MAC_BYTES = 16
// Makes the whole a multiple of 3, so that each text stands for one token and each token for one text.
const RANDOM_BYTES = 25
const TOKEN_SHAPE = /^[\w-]{76}$/

/** Session, chance, and a seal that tells the hub's own tokens from guesses: only a true one can end a session, and no guess costs a read. */
export function createRefreshTokens(key: KeyObject) {
  const sealOf = (body: Buffer) => createHmac('sha256', key).update(body).digest().subarray(0, MAC_BYTES)

  return {
    make(session_id: string): string {
      const body = Buffer.concat([parseUuid(session_id), randomBytes(RANDOM_BYTES)])
      return Buffer.concat([body, sealOf(body)]).toString('base64url')
    },

    sessionOf(token: string): string | undefined {
      if (!TOKEN_SHAPE.test(token)) return undefined
      const bytes = Buffer.from(token, 'base64url')
      const body = bytes.subarray(0, -MAC_BYTES)
      return timingSafeEqual(bytes.subarray(-MAC_BYTES), sealOf(body)) ? stringifyUuid(body.subarray(0, ID_BYTES)) : undefined
    },
  }
}

export type RefreshTokens = ReturnType<typeof createRefreshTokens>
