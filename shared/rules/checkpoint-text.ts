import type { Checkpoint } from '../protocol/index.ts'
import { canonicalJson } from './canonical-json.ts'

/** Says what is signed, so that no signature of another kind can stand in for it. */
const PURPOSE = 'parley checkpoint 1\n'

/** The text whose UTF-8 a checkpoint's signature (Ed25519, RFC 8032) is over: the purpose, and the rest as canonical JSON (RFC 8785). */
export function checkpointText({ stream, seq, chain, at, kid }: Omit<Checkpoint, 'signature'>): string {
  return PURPOSE + canonicalJson({ stream, seq, chain, at, kid })
}
