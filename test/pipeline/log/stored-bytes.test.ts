import { expect } from 'chai'
import fc from 'fast-check'
import { mongo } from 'mongoose'
import type { EventText } from '../../../server/pipeline/store/event-store.ts'
import { eventTextOf } from '../../../server/pipeline/store/stored-bytes.ts'
import { storedFromBytes, toStored } from '../../../server/pipeline/store/stored-event.ts'

const { BSON } = mongo
const NAMES = ['seq', 'chain', 'json', 'digest', 'audience', 'hash', 'refused'] as const
const HEX = 'ab'.repeat(32)
const plain = {
  ...{ _id: 'contract:1:000000000007', stream: 'contract:1', seq: 7, type: 'message.posted', at: new Date(0) },
  ...{ by: { id: 'u', kind: 'user' }, key: 'k', json: '{"body":"ü → 𝄞"}', digest: HEX, chain: HEX, hash: HEX, audience: 'staff' },
}

describe('an event read where it lies', () => {
  it('[LOG-34] is what decoding makes of it, whatever the order, the types and the company of its fields', () => {
    // As the hub writes it, it is not decoded.
    expect(eventTextOf(bytesOf(plain))).to.deep.equal(wantedOf(plain))
    const number = fc.oneof(fc.nat(), fc.double({ noNaN: true }), fc.nat().map(BSON.Long.fromNumber))
    const text = fc.oneof(fc.string(), fc.constantFrom('é', '→ 𝄞', '\u0000'))
    const other = fc.oneof(
      ...[text, number, fc.constant(null), fc.boolean(), fc.array(text), fc.record({ seq: fc.nat(), json: text })],
      fc.constantFrom(new Date(1), new BSON.ObjectId(), BSON.Decimal128.fromString('1.5'), /x/i, new BSON.Binary(Buffer.from([0, 1]))),
    )
    // Names that look like one of those which are wanted.
    const strange = fc.constantFrom(
      'set',
      'jsno',
      'h',
      'hasx',
      'dead_letter',
      'react_until',
      'react_attempts',
      'pending',
      'facets',
      'call_id',
      '',
    )
    const event = fc.record({
      ...{ seq: number, chain: text, json: text, digest: text, hash: text, audience: fc.constantFrom('all', 'staff') },
      ...{
        refused: fc.constantFrom('FLOOR_LOST', null, undefined),
        others: fc.dictionary(strange, other),
        order: fc.infiniteStream(fc.nat()),
      },
    })
    fc.assert(
      fc.property(event, ({ others, order, ...fields }) => {
        const shuffled = Object.entries({ ...plain, ...fields, ...others }).map((field) => ({ field, at: order.next().value ?? 0 }))
        const document = Object.fromEntries(shuffled.sort((a, b) => a.at - b.at).map(({ field }) => field))
        const bytes = bytesOf(document)
        const told = toStored(BSON.deserialize(bytes) as EventText)
        expect(wantedOf(storedFromBytes(bytes))).to.deep.equal(wantedOf(told))
      }),
      { numRuns: 50 },
    )
  })

  it('[LOG-34] bytes that are no text are refused, and no letter stands in for them', () => {
    const bytes = bytesOf(plain)
    bytes[bytes.indexOf('body')] = 0xff
    expect(() => storedFromBytes(bytes)).to.throw(BSON.BSONError)
  })

  it('[LOG-34] bytes that are no document come to an end, and to no more than is there', () => {
    const whole = bytesOf({ ...plain, at: new Date(1), by: { id: 'someone' } })
    for (let length = 0; length < whole.length; length++) expect(eventTextOf(whole.subarray(0, length))).to.equal(undefined)
    for (let at = 0; at < whole.length; at++) {
      for (const wrong of [0x00, 0x7f, 0xff]) {
        const bytes = Buffer.from(whole)
        bytes[at] = wrong
        expect(() => eventTextOf(bytes)).not.to.throw()
      }
    }
  })
})

function bytesOf(document: object): Buffer {
  return Buffer.from(BSON.serialize(document, { ignoreUndefined: true }))
}

function wantedOf(event: { [name in keyof EventText]?: unknown }): object {
  return Object.fromEntries(NAMES.flatMap((name) => (event[name] === undefined ? [] : [[name, event[name]]])))
}
