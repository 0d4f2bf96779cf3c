import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import bcrypt from 'bcrypt'
import { ParleyError } from '../../../shared/protocol/index.ts'

export type TokenKind = 'refresh' | 'sign-in-link' | 'browser-session'

const LEAST_SECRET_BYTES = 32
const KEY_BYTES = 32
// Newest last: it hashes new keys, the older ones still know theirs. A new pepper is a new number, never a changed one.
const PEPPER_VERSIONS = [1] as const
const SIGNING_KEY_IDS = ['1'] as const

const BCRYPT_COST = 12
const BCRYPT_MOST_BYTES = 72
// Of a random text that nobody kept: an unknown user costs the same time as a wrong password.
const NOBODYS_HASH = '$2b$12$4Q.bTUulFIYDoG1hTXHxWutcRio1gY.ZBvRac9Cd7xmAZ5DRT6BNG'
// Each costs a core about a quarter of a second, in the thread pool that files and DNS use too.
const MOST_COMPARISONS = 16

/** All keys of identity, derived from the hub's one secret by HKDF (RFC 5869), each for one purpose: none tells anything about another. */
export function createSecrets(secret: string) {
  if (Buffer.byteLength(secret) < LEAST_SECRET_BYTES) throw new Error(`the hub's secret is shorter than ${LEAST_SECRET_BYTES} bytes`)
  const derive = (purpose: string): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, 'parley/identity', purpose, KEY_BYTES)))

  const peppers = PEPPER_VERSIONS.map((version) => ({ version, key: derive(`api-key-pepper/${version}`) }))
  const newestPepper = peppers.at(-1) ?? unreachableRing()
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

    hashApiKey: (text: string) => ({ hash: hmac(newestPepper.key, text), pepper_version: newestPepper.version }),
    /** What a key's hash can be, one for each pepper in use. */
    apiKeyHashes: (text: string) => peppers.map(({ key }) => hmac(key, text)),
    hashToken: (kind: TokenKind, text: string) => hmac(tokenKeys[kind], text),
    /** In a time that tells nothing about where, or by how many characters, they differ. */
    isSame: (a: string, b: string) =>
      timingSafeEqual(createHmac('sha256', compareKey).update(a).digest(), createHmac('sha256', compareKey).update(b).digest()),

    hashPassword: (password: string) => bcrypt.hash(password, BCRYPT_COST),
    matchesPassword,
  }
}

export type Secrets = ReturnType<typeof createSecrets>

function unreachableRing(): never {
  throw new Error('the ring of peppers is empty')
}

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
