import { ParleyError } from '../../../shared/protocol/index.ts'

/** Why a NOT_FOUND was given, for the hub alone: a refusal's cause never leaves it. */
const foreign = Symbol('it is there, and belongs to others')

/** The answer about what is there and belongs to others: to who asks it is the same as for what is not there. The audit trail is told. */
export function notYours(): ParleyError {
  return new ParleyError('NOT_FOUND', {}, { cause: foreign })
}

export function isForeign(error: ParleyError): boolean {
  return error.cause === foreign
}
