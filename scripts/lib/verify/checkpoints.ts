import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type Checkpoint, type CheckpointKey, checkpointKeySchema } from '../../../shared/protocol/index.ts'
import { checkpointText } from '../../../shared/rules/checkpoint-text.ts'

const keysSchema = z.object({ keys: z.array(checkpointKeySchema) })

/** The public keys in a file, as `GET /audit/keys` gives them. */
export function readKeys(path: string): CheckpointKey[] {
  return keysSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).keys
}

/** What is wrong with a checkpoint's signature; undefined when nothing is. */
export function signatureFault(checkpoint: Checkpoint, keys: readonly CheckpointKey[]): string | undefined {
  const jwk = keys.find(({ kid }) => kid === checkpoint.kid)
  if (jwk === undefined) return `a checkpoint is signed with ${checkpoint.kid}, which is none of the keys`
  const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
  const isSound = verify(null, Buffer.from(checkpointText(checkpoint)), key, Buffer.from(checkpoint.signature, 'base64url'))
  return isSound ? undefined : 'a checkpoint was not signed by its key'
}
