import { createHmac } from 'node:crypto'
import { deriveKey } from '../../../core/secrets/derive-key.ts'

// Newest last: it hashes new keys, the older ones still know theirs. A new pepper is a new number, never a changed one.
const PEPPER_VERSIONS = [1] as const

/** What agents' keys are hashed under, derived from the hub's one secret. */
export function createSecrets(secret: string) {
  const peppers = PEPPER_VERSIONS.map((version) => ({ version, key: deriveKey(secret, `api-key-pepper/${version}`) }))
  const newest = peppers.at(-1) ?? unreachableRing()
  const hashUnder = ({ key }: (typeof peppers)[number], text: string) => createHmac('sha256', key).update(text).digest('hex')

  return {
    hashApiKey: (text: string) => ({ hash: hashUnder(newest, text), pepper_version: newest.version }),
    /** What a key's hash can be, one for each pepper in use. */
    apiKeyHashes: (text: string) => peppers.map((pepper) => hashUnder(pepper, text)),
  }
}

export type Secrets = ReturnType<typeof createSecrets>

function unreachableRing(): never {
  throw new Error('the ring of peppers is empty')
}
