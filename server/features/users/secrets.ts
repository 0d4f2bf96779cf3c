import { createHmac, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import bcrypt from 'bcrypt'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { deriveKey } from '../../core/derive-key.ts'

export type TokenKind = 'refresh' | 'sign-in-link' | 'browser-session'

// Newest last: it signs, and the older ones verify what they signed.
const SIGNING_KEY_IDS = ['1'] as const

const BCRYPT_COST = 12
const BCRYPT_MOST_BYTES = 72
// Of a random text that nobody kept: an unknown user costs the same time as a wrong password.
const NOBODYS_HASH = '$2b$12$4Q.bTUulFIYDoG1hTXHxWutcRio1gY.ZBvRac9Cd7xmAZ5DRT6BNG'
// Each costs a core about a quarter of a second, in the thread pool that files and DNS use too.
const MOST_COMPARISONS = 16

/** What passwords and tokens are hashed and signed under, each key derived from the hub's one secret for its one purpose. */
export function createSecrets(secret: string) {
  const derive = (purpose: string) => deriveKey(secret, purpose)
  const tokenKeys: Record<TokenKind, KeyObject> = {
    refresh: derive('token-hash/refresh'),
    'sign-in-link': derive('token-hash/sign-in-link'),
    'browser-session': derive('token-hash/browser-session'),
  }
  const compareKey = derive('compare')
  let comparisons = 0

  /** Takes the same time without a hash. Throws OVERLOADED rather than let a queue of comparisons grow. */
  async function matchesPassword(password: string, hash: string | undefined): Promise<boolean> {
    if (comparisons >= MOST_COMPARISONS) throw new ParleyError('OVERLOADED', { retry_after_ms: 1_000 })
    comparisons += 1
    try {
      const matches = await bcrypt.compare(password, hash ?? NOBODYS_HASH)
      // bcrypt reads 72 bytes: a longer text that begins like the password is not the password.
      return matches && hash !== undefined && Buffer.byteLength(password) <= BCRYPT_MOST_BYTES
    } finally {
      comparisons -= 1
    }
  }

  return {
    /** By `kid`; the last one signs. */
    signingKeys: new Map<string, KeyObject>(SIGNING_KEY_IDS.map((kid) => [kid, derive(`access-token/${kid}`)])),
    /** Proves that the hub made a refresh token, before any database read. */
    refreshMacKey: derive('refresh-mac'),

    hashToken: (kind: TokenKind, text: string) => hmac(tokenKeys[kind], text),
    /** In a time that tells nothing about where, or by how many characters, they differ. */
    isSame: (a: string, b: string) =>
      timingSafeEqual(createHmac('sha256', compareKey).update(a).digest(), createHmac('sha256', compareKey).update(b).digest()),

    hashPassword: (password: string) => bcrypt.hash(password, BCRYPT_COST),
    matchesPassword,
  }
}

export type Secrets = ReturnType<typeof createSecrets>

function hmac(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

const TOKEN_BYTES = 32
const TOKEN_SHAPE = /^[\w-]{43}$/

/** 256 random bits, for a link or a cookie. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url')
}

export function looksLikeToken(text: string): boolean {
  return TOKEN_SHAPE.test(text)
}
