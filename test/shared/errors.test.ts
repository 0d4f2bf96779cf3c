import { expect } from 'chai'
import fc from 'fast-check'
import { z } from 'zod'
import {
  type ErrorCode,
  errorCodes,
  errors,
  fieldErrors,
  type NeededFacts,
  ParleyError,
  type PlainCode,
  refusalSchema,
} from '../../shared/protocol/index.ts'
import { readVectors } from './read-vectors.ts'
import { schemaValidator } from './schema-validator.ts'

/** The compiler refuses a ParleyError without these; this is the same list where a test can read it. */
const carried: Record<keyof NeededFacts, string[]> = {
  FRAME_INVALID: ['errors'],
  REQUEST_INVALID: ['errors'],
  FRAME_TOO_LARGE: ['frame_bytes'],
  PERMISSION_DENIED: ['allowed', 'permission', 'scope', 'principal_id'],
  PROFILE_VIOLATED: ['rule'],
  PROTOCOL_UNSUPPORTED: ['protocols'],
  CALL_HELD: ['session_id'],
  CHUNK_OUT_OF_ORDER: ['next_seq'],
  RATE_LIMITED: ['retry_after_ms'],
  USER_STATUS: ['status', 'wanted'],
  KEY_NOT_ACTIVE: ['key_id'],
}
/** Named in a fix, and to be found in `core.welcome` or in a header. */
const ELSEWHERE = ['limits', 'RateLimit']

describe('errors', () => {
  it('[PROTO-1] every row has a status of RFC 9110, a retry, a title and a fix', () => {
    const bad = errorCodes.filter((code) => {
      const { status, retry, title, fix } = errors[code]
      const isComplete =
        /^[A-Z][A-Z_]+$/.test(code) && status >= 400 && status < 600 && /^[A-Z].*[^.]$/.test(title) && /^[A-Z].*\.$/.test(fix)
      return !isComplete || !['never', 'later', 'after-refresh'].includes(retry)
    })
    expect(bad).to.deep.equal([])
  })

  it('[PROTO-1] what a pause can mend is retried later, and nothing else', () => {
    const later = errorCodes.filter((code) => errors[code].retry === 'later')
    // And the one conflict that ends by itself: the first try of a request.
    const passing = (code: ErrorCode) =>
      code === 'REQUEST_IN_FLIGHT' || [408, 429].includes(errors[code].status) || errors[code].status >= 500
    expect(later).to.deep.equal(errorCodes.filter(passing))
  })

  it('[PROTO-2] a refusal holds its row and what the caller needs, and comes whole through JSON', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...errorCodes),
        fc.record(
          { detail: fc.string(), errors: fc.array(fc.record({ pointer: fc.string(), detail: fc.string() })), limit: fc.integer() },
          { requiredKeys: [] },
        ),
        (code, facts) => {
          const refusal = new ParleyError(code as PlainCode, facts).toRefusal('c-1')
          const { title, fix, retry } = errors[code]
          const { limit, ...named } = facts
          const expected = {
            code,
            title,
            fix,
            retry,
            ...named,
            ...(limit === undefined ? {} : { facts: { limit } }),
            correlation_id: 'c-1',
          }
          expect(refusal).to.deep.equal(expected)
          expect(refusalSchema.parse(JSON.parse(JSON.stringify(refusal)))).to.deep.equal(expected)
          expect(schemaValidator('Refusal')(refusal)).to.equal(true)
        },
      ),
    )
  })

  it('[PROTO-2] neither the cause nor the stack leaves', () => {
    const error = new ParleyError('INTERNAL', {}, { cause: new Error('password is hunter2') })
    expect(JSON.stringify(error.toRefusal('c-1'))).not.to.match(/hunter2|\.ts:/)
    expect((error.cause as Error).message).to.equal('password is hunter2')
  })

  it('[PROTO-9] a fix that speaks of `errors` or `facts` has a row of what every such refusal carries, and no other has one', () => {
    // @ts-expect-error The compiler refuses it: the fix speaks of `errors`.
    expect(new ParleyError('FRAME_INVALID')).to.be.instanceOf(Error)
    const speaking = errorCodes.filter((code) => /`(errors|facts)\b/.test(errors[code].fix))
    expect(speaking.toSorted()).to.deep.equal(Object.keys(carried).toSorted())
    for (const [code, names] of Object.entries(carried)) {
      const spoken = [...errors[code as ErrorCode].fix.matchAll(/`(?:facts\.)?(\w+)`/g)].map(([, name]) => name ?? '')
      for (const name of spoken.filter((one) => one !== 'facts' && !ELSEWHERE.includes(one))) expect(names, code).to.include(name)
    }
  })

  it('[PROTO-3] a field error points at its field by JSON Pointer, and names escape', () => {
    const schema = z.object({ list: z.array(z.record(z.string(), z.int())) })
    const parsed = schema.safeParse({ list: [{}, { 'a/b~c': 'x' }] })
    expect(fieldErrors(parsed.error ?? new z.ZodError([])).map(({ pointer }) => pointer)).to.deep.equal(['/list/1/a~1b~0c'])
  })

  it('[PROTO-3] a hostile payload gets at most 20 field errors', () => {
    const parsed = z.array(z.int()).safeParse(Array(1_000).fill('x'))
    expect(fieldErrors(parsed.error ?? new z.ZodError([]))).to.have.length(20)
  })

  it('[VEC-8] no code of shared/vectors/errors.json is gone or means another retry or status; new ones are written there', () => {
    const now = Object.fromEntries(errorCodes.map((code: ErrorCode) => [code, { status: errors[code].status, retry: errors[code].retry }]))
    expect(now).to.deep.equal(readVectors('errors'))
  })
})
