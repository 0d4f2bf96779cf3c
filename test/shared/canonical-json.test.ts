import { expect } from 'chai'
import fc from 'fast-check'
import { canonicalJson } from '../../shared/rules/canonical-json.ts'
import { jsonFault } from '../../shared/rules/json-fault.ts'
import { readVectors } from './read-vectors.ts'

interface Vectors {
  cases: { name: string; input: string; canonical: string }[]
  refused: { name: string; input: string }[]
  numbers: { ieee754: string; canonical: string | null }[]
}

const { cases, refused, numbers } = readVectors<Vectors>('canonical-json')

/** What JSON.parse gives, with letters of every script but no half surrogate pairs. */
const anyUnit = fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit))
const anyJson = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' })

describe('canonicalJson', () => {
  for (const { name, input, canonical } of cases) {
    it(`[VEC-4] ${name}`, () => {
      expect(canonicalJson(JSON.parse(input))).to.equal(canonical)
      expect(canonicalJson(JSON.parse(canonical))).to.equal(canonical)
    })
  }

  for (const { name, input } of refused) {
    it(`[VEC-4] refuses ${name}`, () => {
      expect(() => canonicalJson(JSON.parse(input))).to.throw(TypeError)
    })
  }

  it('[VEC-4] prints the numbers of RFC 8785, appendix B', () => {
    const printed = numbers.map(({ ieee754 }) => {
      const value = Buffer.from(ieee754, 'hex').readDoubleBE()
      return { ieee754, canonical: Number.isFinite(value) ? canonicalJson(value) : null }
    })
    expect(printed).to.deep.equal(numbers)
  })

  it('[RULE-6] its text, parsed, is the value and gives the same text again', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const text = canonicalJson(value)
        expect(JSON.parse(text)).to.deep.equal(JSON.parse(JSON.stringify(value)))
        expect(canonicalJson(JSON.parse(text))).to.equal(text)
      }),
    )
  })

  it('[RULE-6] does not depend on the order in which members were written', () => {
    fc.assert(fc.property(anyJson, (value) => canonicalJson(reversed(value)) === canonicalJson(value)))
  })

  it('[RULE-6] different values have different texts', () => {
    fc.assert(
      fc.property(anyJson, anyJson, (left, right) => {
        const isSame = isDeepEqual(left, right)
        expect(canonicalJson(left) === canonicalJson(right)).to.equal(isSame)
      }),
    )
  })

  it('[RULE-7] a member that is undefined counts as absent', () => {
    expect(canonicalJson({ b: undefined, a: 1 })).to.equal('{"a":1}')
  })

  const never = {
    undefined: undefined,
    'undefined in a list': [1, undefined],
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
    'a hole in a list': [1, , 3],
    NaN: Number.NaN,
    Infinity: { a: Number.POSITIVE_INFINITY },
    'a bigint': 1n,
    'a function': () => 1,
    'a symbol': Symbol('s'),
    'a Date': { at: new Date(0) },
    'a Map': new Map([['a', 1]]),
    'a Buffer': Buffer.from('a'),
    'half a surrogate pair': '\ud800',
    'half a surrogate pair in a name': { '\udc00': 1 },
  }
  for (const [name, value] of Object.entries(never)) {
    it(`[RULE-7] throws on ${name} and fills nothing in`, () => {
      expect(() => canonicalJson(value)).to.throw(TypeError)
      expect(jsonFault(value, 64)).not.to.equal(undefined)
    })
  }

  it('[RULE-14] what has no fault at the door has a canonical text, and the reverse', () => {
    const anything = fc.anything({ withDate: true, withMap: true, withBigInt: true, withTypedArray: true, withSparseArray: true })
    fc.assert(
      fc.property(fc.oneof(anyJson, anything, fc.string({ unit: anyUnit })), (value) => {
        expect(jsonFault(value, 64) === undefined).to.equal(hasCanonicalText(value))
      }),
    )
  })

  it('[RULE-14] a fault at the door is pointed at', () => {
    const deep = (levels: number): unknown =>
      Array(levels)
        .fill(0)
        .reduce((inner: unknown) => [inner], 1)
    expect(
      [deep(3), deep(4), { a: { 'b/c': [0, '\ud800'] } }, { input: Buffer.from('x') }, [1, { '\ud800': 1 }]].map((value) =>
        jsonFault(value, 3),
      ),
    ).to.deep.equal([
      undefined,
      { pointer: '/0/0/0', detail: 'nested deeper than 3' },
      { pointer: '/a/b~1c/1', detail: 'half of a surrogate pair' },
      { pointer: '/input', detail: 'binary data or another object that JSON does not have' },
      { pointer: '/1', detail: 'half of a surrogate pair in a name' },
    ])
    expect(jsonFault(deep(100_000), 64)?.detail).to.equal('nested deeper than 64')
  })
})

function hasCanonicalText(value: unknown): boolean {
  try {
    return typeof canonicalJson(value) === 'string'
  } catch {
    // Refused is what is asked.
    return false
  }
}

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, member]) => [name, reversed(member)] as const)
  return Object.fromEntries(entries.toReversed())
}

/** Written apart from canonicalJson: chai tells 0 from -0, which JSON does not. */
function isDeepEqual(left: unknown, right: unknown): boolean {
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return left === right
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const [names, others] = [Object.keys(left), Object.keys(right)]
  if (names.length !== others.length) return false
  return names.every((name) => Object.hasOwn(right, name) && isDeepEqual(left[name as never], right[name as never]))
}
