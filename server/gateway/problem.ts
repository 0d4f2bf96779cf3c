import { errors, ParleyError, type Refusal } from '../../shared/protocol/index.ts'
import { isOutOfReach } from '../core/out-of-reach.ts'
import { redactText, redactValue } from '../core/secrets/redact-secrets.ts'

/** What leaves the hub for an error: refusals as they are; a database that is out of reach as UNAVAILABLE; a fault of ours as INTERNAL, without its message. */
export function refusalOf(error: unknown, correlation_id: string): { refusal: Refusal; status: number; ours: boolean } {
  if (isOutOfReach(error))
    return { refusal: new ParleyError('UNAVAILABLE').toRefusal(correlation_id), status: errors.UNAVAILABLE.status, ours: false }
  if (error instanceof ParleyError)
    return { refusal: withoutSecrets(error.toRefusal(correlation_id)), status: errors[error.code].status, ours: false }
  const internal = new ParleyError('INTERNAL')
  return { refusal: internal.toRefusal(correlation_id), status: errors.INTERNAL.status, ours: true }
}

// More than any refusal of ours says; what a client sent and is told again is bounded where it is taken up.
const BOUNDS = { characters: 5_000, members: 200, depth: 8 }

/** What a client sent is told again, as a name or a place: a secret in the wrong field must not be, for answers are kept in logs elsewhere. */
function withoutSecrets({ detail, errors: fields, facts, ...refusal }: Refusal): Refusal {
  return {
    ...refusal,
    ...(detail === undefined ? {} : { detail: redactText(detail) }),
    // The casts hold: bounds aside, a copy without secrets has the shape of what it copies.
    ...(fields === undefined ? {} : { errors: redactValue(fields, BOUNDS) as NonNullable<Refusal['errors']> }),
    ...(facts === undefined ? {} : { facts: redactValue(facts, BOUNDS) as NonNullable<Refusal['facts']> }),
  }
}

/** The refusal as problem+json (RFC 9457). */
export function problemOf(refusal: Refusal, { status, instance }: { status: number; instance: string }) {
  const { title, detail, ...rest } = refusal
  return {
    type: `urn:parley:error:${refusal.code}`,
    title,
    status,
    ...(detail === undefined ? {} : { detail }),
    instance: redactText(instance),
    ...rest,
  }
}

/** What Express and its parsers throw, as rows of our table. */
export function fromHttpError(error: unknown): unknown {
  if (typeof error !== 'object' || error === null || error instanceof ParleyError || !('type' in error || 'status' in error)) return error
  const { type, status, limit } = { type: '', status: 500, limit: 0, ...error }
  if (type === 'entity.too.large') return new ParleyError('FRAME_TOO_LARGE', { frame_bytes: Number(limit) })
  if (type === 'encoding.unsupported' || type === 'charset.unsupported') return new ParleyError('MEDIA_TYPE_UNSUPPORTED')
  const detail = type === 'entity.parse.failed' ? 'the body is not JSON' : 'the request could not be read'
  const isTheirs = Number(status) >= 400 && Number(status) < 500
  return isTheirs ? new ParleyError('REQUEST_INVALID', { errors: [{ pointer: '', detail }] }) : error
}
