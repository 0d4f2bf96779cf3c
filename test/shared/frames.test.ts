import { expect } from 'chai'
import { type FrameType, fieldErrors, frames, frameTypes, PROTOCOLS_SPOKEN } from '../../shared/protocol/index.ts'
import { readVectors } from './read-vectors.ts'
import { schemaValidator } from './schema-validator.ts'

type Verdict = { ok: true; parsed?: unknown } | { ok: false; code: string; pointers: string[] }
interface Vector {
  name: string
  frame: string
  payload: unknown
  verdict: Verdict
}

const vectors = readVectors<Vector[]>('frames')

/** What the hub says of a frame before it knows anything else. `parsed` is there only when it differs from the payload. */
function judge({ frame, payload }: Vector): { verdict: Verdict; parsed?: unknown } {
  if (!Object.hasOwn(frames, frame)) return { verdict: { ok: false, code: 'FRAME_UNKNOWN', pointers: [] } }
  const parsed = frames[frame as FrameType].payload.safeParse(payload)
  if (!parsed.success) {
    const pointers = fieldErrors(parsed.error).map((fault) => fault.pointer)
    return { verdict: { ok: false, code: 'FRAME_INVALID', pointers } }
  }
  if (frame === 'agent.hello' && !PROTOCOLS_SPOKEN.includes((parsed.data as { protocol: number }).protocol)) {
    return { verdict: { ok: false, code: 'PROTOCOL_UNSUPPORTED', pointers: [] } }
  }
  return { verdict: { ok: true }, parsed: parsed.data }
}

describe('shared/vectors/frames.json', () => {
  for (const vector of vectors) {
    it(`[VEC-1] ${vector.frame}: ${vector.name}`, () => {
      const { verdict, parsed } = judge(vector)
      const { parsed: expected, ...rest } = vector.verdict.ok
        ? { parsed: vector.payload, ...vector.verdict }
        : { ...vector.verdict, parsed: undefined }
      expect({ verdict, parsed }).to.deep.equal({ verdict: rest, parsed: expected })
    })
  }

  it('[VEC-1] every frame has at least two payloads that pass and two that do not', () => {
    const thin = frameTypes.filter((type) => {
      const mine = vectors.filter(({ frame }) => frame === type)
      return mine.filter(({ verdict }) => verdict.ok).length < 2 || mine.filter(({ verdict }) => !verdict.ok).length < 2
    })
    expect(thin).to.deep.equal([])
  })

  it('[VEC-2] shared/schema.json gives the same verdict as zod on the shape of every payload', () => {
    const different = vectors
      .filter(({ verdict }) => verdict.ok || verdict.code === 'FRAME_INVALID')
      .filter(({ frame, payload, verdict }) => schemaValidator(`frame.${frame}`)(payload) !== verdict.ok)
    expect(different).to.deep.equal([])
  })
})
