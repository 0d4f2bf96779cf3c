import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import type { Checkpoint, CheckpointKey } from '../../../shared/protocol/index.ts'
import { checkpointText } from '../../../shared/rules/checkpoint-text.ts'
import { deriveKey } from './derive-key.ts'

/** Newest last: it signs, and the older ones stand for what they signed. */
const RING = ['1'] as const

// RFC 8410: what goes before the 32 bytes of an Ed25519 key in PKCS #8.
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
const KID_CHARS = 16

interface Pair {
  kid: string
  private: KeyObject
  public: KeyObject
  jwk: CheckpointKey
}

/** The keys that checkpoints are signed with (Ed25519), derived from the hub's one secret: who has the database alone cannot sign. */
export function createCheckpointKeys(secret: string) {
  const ring = RING.map((version) => pairOf(deriveKey(secret, `audit-checkpoint/${version}`)))
  const newest = ring.at(-1) as Pair // the ring has a first

  return {
    /** For `GET /audit/keys` (RFC 7517). */
    keys: ring.map(({ jwk }) => jwk),

    sign(place: Pick<Checkpoint, 'stream' | 'seq' | 'chain' | 'at'>): Checkpoint {
      const checkpoint = { ...place, kid: newest.kid }
      return { ...checkpoint, signature: sign(null, Buffer.from(checkpointText(checkpoint)), newest.private).toString('base64url') }
    },

    isSigned(checkpoint: Checkpoint): boolean {
      const key = ring.find(({ kid }) => kid === checkpoint.kid)
      if (key === undefined || typeof checkpoint.signature !== 'string') return false
      return verify(null, Buffer.from(checkpointText(checkpoint)), key.public, Buffer.from(checkpoint.signature, 'base64url'))
    },
  }
}

export type CheckpointKeys = ReturnType<typeof createCheckpointKeys>

function pairOf(seed: KeyObject): Pair {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed.export()]), format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(key)
  // The cast holds: it is the shape that RFC 8037 gives an Ed25519 key.
  const { x } = publicKey.export({ format: 'jwk' }) as { x: string }
  const kid = `ed25519-${hash('sha256', x, 'hex').slice(0, KID_CHARS)}`
  return { kid, private: key, public: publicKey, jwk: { kty: 'OKP', crv: 'Ed25519', x, kid, use: 'sig', alg: 'EdDSA' } }
}
