import { expect } from 'chai'
import fc from 'fast-check'
import { z } from 'zod'
import { type ErrorCode, errorCodes, errors, fieldErrors, ParleyError, refusalSchema } from '../../shared/protocol/index.ts'
import { readVectors } from './read-vectors.ts'
import { schemaValidator } from './schema-validator.ts'

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
    // The one conflict that ends by itself: the first try of a request.
    const passing = (code: ErrorCode) => code === 'REQUEST_IN_FLIGHT' || errors[code].status === 429 || errors[code].status >= 500
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
          const refusal = new ParleyError(code, facts).toRefusal('c-1')
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
