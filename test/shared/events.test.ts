import { expect } from 'chai'
import { type EventType, eventData, eventTypes, fieldErrors, recordedEventSchema, wireEventSchema } from '../../shared/protocol/index.ts'
import { readVectors } from './read-vectors.ts'
import { schemaValidator } from './schema-validator.ts'

interface DataVector {
  name: string
  type: string
  data: unknown
  pointers: string[]
}
interface WireVector {
  name: string
  event: unknown
  ok: boolean
}

const { data, wire } = readVectors<{ data: DataVector[]; wire: WireVector[] }>('events')

describe('shared/vectors/events.json', () => {
  for (const vector of data) {
    it(`[VEC-3] ${vector.type}: ${vector.name}`, () => {
      const parsed = eventData[vector.type as EventType].safeParse(vector.data)
      expect(parsed.success ? [] : fieldErrors(parsed.error).map((fault) => fault.pointer)).to.deep.equal(vector.pointers)
      if (parsed.success) expect(parsed.data).to.deep.equal(vector.data)
      expect(schemaValidator(`event.${vector.type}`)(vector.data)).to.equal(parsed.success)
    })
  }

  for (const { name, event, ok } of wire) {
    it(`[VEC-3] on the wire: ${name}`, () => {
      const parsed = wireEventSchema.safeParse(event)
      expect(parsed.success).to.equal(ok)
      expect(schemaValidator('WireEvent')(event)).to.equal(ok)
    })
  }

  it('[PROTO-7] a reader keeps every member of an event, for the digest covers those it does not know', () => {
    const samples = wire.filter(({ ok }) => ok).map(({ event }) => event)
    expect(samples.map((event) => wireEventSchema.parse(event))).to.deep.equal(samples)
  })

  it('[PROTO-7] every event type has samples that pass and some that do not, alone and inside an event', () => {
    const [envelope] = wire.filter(({ ok }) => ok).map(({ event }) => event as object)
    const verdicts = data.map((vector) => recordedEventSchema.safeParse({ ...envelope, type: vector.type, data: vector.data }).success)
    expect(verdicts).to.deep.equal(data.map(({ pointers }) => pointers.length === 0))
    const thin = eventTypes.filter(
      (type) => new Set(data.filter((vector) => vector.type === type).map((v) => v.pointers.length > 0)).size < 2,
    )
    expect(thin).to.deep.equal([])
  })
})
