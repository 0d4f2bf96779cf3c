import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import bcrypt from 'bcrypt'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { deriveKey } from '../../core/secrets/derive-key.ts'

const tokenKinds = ['refresh', 'browser-session', 'sign-in', 'invitation', 'password-reset', 'sign-in-count'] as const
/** What a hash is of: the same text of two kinds has two hashes. */
export type TokenKind = (typeof tokenKinds)[number]

/** Four times the least that OWASP asks for. */
const PASSWORD_COST = 12
const BCRYPT_MOST_BYTES = 72
// Of a random text that nobody kept: an unknown user costs the same time as a wrong password.
const NOBODYS_SALT_AND_HASH = '4Q.bTUulFIYDoG1hTXHxWutcRio1gY.ZBvRac9Cd7xmAZ5DRT6BNG'
// Each costs a core about a quarter of a second, in the thread pool that files and DNS use too.
const MOST_UNDER_WAY = 16

/**
 * What passwords and tokens are hashed and signed under, each key derived from the hub's one secret for its one purpose. `password_cost` is
 * bcrypt's: one more doubles the time.
 */
export function createSecrets(secret: string, password_cost = PASSWORD_COST) {
  const nobodys_hash = `$2b$${String(password_cost).padStart(2, '0')}$${NOBODYS_SALT_AND_HASH}`
  const derive = (purpose: string) => deriveKey(secret, purpose)
  const tokenKeys = new Map(tokenKinds.map((kind) => [kind, derive(`token-hash/${kind}`)]))
  const compareKey = derive('compare')
  let under_way = 0

  /** Throws OVERLOADED rather than let a queue grow. */
  async function bounded<T>(compute: () => Promise<T>): Promise<T> {
    if (under_way >= MOST_UNDER_WAY) throw new ParleyError('OVERLOADED', { retry_after_ms: 1_000 })
    under_way += 1
    try {
      return await compute()
    } finally {
      under_way -= 1
    }
  }

  /** Takes the same time without a hash. */
  async function matchesPassword(password: string, hash: string | undefined): Promise<boolean> {
    const matches = await bounded(() => bcrypt.compare(password, hash ?? nobodys_hash))
    // bcrypt reads 72 bytes: a longer text that begins like the password is not the password.
    return matches && hash !== undefined && Buffer.byteLength(password) <= BCRYPT_MOST_BYTES
  }

  function hashToken(kind: TokenKind, text: string): string {
    const key = tokenKeys.get(kind)
    if (key === undefined) throw new Error(`nothing is hashed as ${kind}`)
    return createHmac('sha256', key).update(text).digest('hex')
  }

  return {
    derive,
    /** Proves that the hub made a refresh token, before any database read. */
    refreshMacKey: derive('refresh-mac'),
    hashToken,
    /** In a time that tells nothing about where, or by how many characters, they differ. */
    isSame: (a: string, b: string) =>
      timingSafeEqual(createHmac('sha256', compareKey).update(a).digest(), createHmac('sha256', compareKey).update(b).digest()),

    hashPassword: (password: string) => bounded(() => bcrypt.hash(password, password_cost)),
    matchesPassword,
  }
}

export type Secrets = ReturnType<typeof createSecrets>

const TOKEN_BYTES = 32
const TOKEN_SHAPE = /^[\w-]{43}$/

/** 256 random bits, for a link or a cookie. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url')
}

export function looksLikeToken(text: string): boolean {
  return TOKEN_SHAPE.test(text)
}
