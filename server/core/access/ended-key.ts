import { type KeyEndReason, ParleyError } from '../../../shared/protocol/index.ts'

/** A key that was the agent's, and is good no more. */
export interface EndedKey {
  key_id: string
  agent_id: string
  reason: KeyEndReason
}

class ShownEndedKey extends Error {
  readonly key: EndedKey
  constructor(key: EndedKey) {
    super('a key that has ended was shown')
    this.key = key
  }
}

/** The answer to a key that has ended is that to any bad one. The audit trail is told which it was: a refusal's cause never leaves the hub. */
export function endedKeyShown(key: EndedKey): ParleyError {
  return new ParleyError('UNAUTHENTICATED', {}, { cause: new ShownEndedKey(key) })
}

export function endedKeyOf({ cause }: ParleyError): EndedKey | undefined {
  return cause instanceof ShownEndedKey ? cause.key : undefined
}
