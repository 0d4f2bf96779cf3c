import { expect } from 'chai'
import fc from 'fast-check'
import { type CallState, type RoomView, roomViewSchema, type WireEvent } from '../../shared/protocol/index.ts'
import { callMachine, callMoves } from '../../shared/rules/call-machine.ts'
import { emptyRoom, evolve } from '../../shared/rules/evolve.ts'
import { isFinal, next } from '../../shared/rules/machine.ts'
import { anyCallLog, anyLog } from './any-log.ts'
import { readVectors } from './read-vectors.ts'

interface Story {
  name: string
  steps: { event: WireEvent; view: RoomView }[]
}

const fold = (events: WireEvent[], room = emptyRoom): RoomView => events.reduce(evolve, room)

describe('evolve', () => {
  for (const { name, steps } of readVectors<Story[]>('evolve')) {
    it(`[VEC-6] ${name}`, () => {
      let room = emptyRoom
      for (const { event, view } of steps) {
        room = evolve(room, event)
        expect(room).to.deep.equal(view)
      }
    })
  }

  it('[RULE-1] changes neither the room nor the event it was given, and gives the same for the same', () => {
    fc.assert(
      fc.property(anyLog, (events) => {
        const frozen = events.map(deepFreeze)
        const once = frozen.reduce((room, event) => deepFreeze(evolve(room, event)), deepFreeze(structuredClone(emptyRoom)))
        expect(fold(frozen)).to.deep.equal(once)
      }),
    )
  })

  it('[RULE-2] folded in parts, through JSON, is folded at once', () => {
    fc.assert(
      fc.property(anyLog, fc.nat(), (events, cut) => {
        const at = cut % (events.length + 1)
        const half: RoomView = JSON.parse(JSON.stringify(fold(events.slice(0, at))))
        expect(fold(events.slice(at), half)).to.deep.equal(fold(events))
      }),
    )
  })

  it('[RULE-3] a hole, a repeat and a swap throw RangeError', () => {
    fc.assert(
      fc.property(anyLog, fc.nat(), (events, place) => {
        fc.pre(events.length >= 2)
        const at = place % (events.length - 1)
        const [one, two] = events.slice(at, at + 2) as [WireEvent, WireEvent]
        const [before, after] = [events.slice(0, at), events.slice(at + 2)]
        for (const wrong of [
          [two, ...after],
          [one, one, two, ...after],
          [two, one, ...after],
        ]) {
          expect(() => fold([...before, ...wrong])).to.throw(RangeError, 'does not follow')
        }
      }),
    )
  })

  it('[RULE-4] a call ends once, whatever is recorded in whatever order, and stays ended', () => {
    fc.assert(
      fc.property(anyCallLog, (events) => {
        const seen = callsSeen(events)
        expect(seen).to.deep.equal(callsExpected(events))
        for (const states of Object.values(seen)) expect(states.indexOf('gone')).to.be.oneOf([-1, states.length - 1])
      }),
    )
  })

  it('[RULE-5] every room it makes is a valid view at the seq of its last event', () => {
    fc.assert(
      fc.property(anyLog, (events) => {
        const room = fold(events)
        expect(roomViewSchema.parse(room)).to.deep.equal(room)
        expect(room.seq).to.equal(events.length)
      }),
    )
  })

  it('[RULE-5] a reader of stubs is at the same place, and knows nothing of what they stand for', () => {
    fc.assert(
      fc.property(anyLog, (events) => {
        const stubs: WireEvent[] = events.map(({ seq, chain }) => ({ seq, type: 'redacted', digest: chain, chain }))
        expect(fold(stubs)).to.deep.equal({ ...emptyRoom, seq: events.length })
      }),
    )
  })
})

type Trace = Record<string, (CallState | 'gone')[]>

/** The states that each call went through in the view, without repeats. */
function callsSeen(events: WireEvent[]): Trace {
  const trace: Trace = {}
  let room = emptyRoom
  for (const event of events) {
    room = evolve(room, event)
    for (const { call_id, state } of room.calls) note(trace, call_id, state)
    for (const call_id of Object.keys(trace)) if (!room.calls.some((call) => call.call_id === call_id)) note(trace, call_id, 'gone')
  }
  return trace
}

/** The same, told by the table alone. */
function callsExpected(events: WireEvent[]): Trace {
  const trace: Trace = {}
  for (const event of events) {
    if (event.type === 'call.requested') note(trace, event.data.call_id, 'requested')
    if (!(event.type in callMoves)) continue
    const { type, data } = event as Extract<WireEvent, { type: keyof typeof callMoves }>
    const from = trace[data.call_id]?.at(-1)
    if (from === undefined || from === 'gone') continue
    const to = next(callMachine, from, callMoves[type])
    if (to !== undefined) note(trace, data.call_id, isFinal(callMachine, to) ? 'gone' : to)
  }
  return trace
}

function note(trace: Trace, call_id: string, state: CallState | 'gone'): void {
  trace[call_id] ??= []
  if (trace[call_id].at(-1) !== state) trace[call_id].push(state)
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.values(value).forEach(deepFreeze)
  return Object.freeze(value)
}
