import { expect } from 'chai'
import { type CallState, callStates, contractStates } from '../../shared/protocol/index.ts'
import { type CallMove, callMachine, callMoves, callStateAfter } from '../../shared/rules/call-machine.ts'
import { contractMachine } from '../../shared/rules/contract-machine.ts'
import { isFinal, next } from '../../shared/rules/machine.ts'
import { readVectors } from './read-vectors.ts'

interface Vectors {
  events: Record<string, CallMove>
  final: CallState[]
  table: Record<CallState, Record<CallMove, CallState | null>>
}

const { events, final, table } = readVectors<Vectors>('calls')

describe('state machines', () => {
  for (const [state, row] of Object.entries(table) as [CallState, Record<CallMove, CallState | null>][]) {
    it(`[VEC-7] a call that is ${state} takes each move as the sample data say`, () => {
      const moved = Object.keys(row).map((move) => [move, next(callMachine, state, move as CallMove) ?? null])
      expect(Object.fromEntries(moved)).to.deep.equal(row)
    })
  }

  it('[VEC-7] every state of a call is in the sample data, and which event makes which move', () => {
    expect(Object.keys(table)).to.deep.equal([...callStates])
    expect(callMoves).to.deep.equal(events)
  })

  it('[VEC-7] an event of a call is named for the state that it leads to', () => {
    for (const [type, move] of Object.entries(callMoves))
      expect(
        callStates.map((state) => next(callMachine, state, move)),
        type,
      ).to.include(callStateAfter(type))
    expect(callStateAfter('call.requested')).to.equal('requested')
    for (const type of ['call.cancel_requested', 'message.posted', 'call.toString']) expect(callStateAfter(type), type).to.equal(undefined)
  })

  it('[RULE-10] a state is final when no move leads out of it', () => {
    expect(callStates.filter((state) => isFinal(callMachine, state))).to.deep.equal(final)
    expect(contractStates.filter((state) => isFinal(contractMachine, state))).to.deep.equal(['ended'])
  })

  it('[RULE-10] from every state an end can be reached', () => {
    const stuck = callStates.filter((state) => !isFinal(callMachine, state) && next(callMachine, state, 'time_out') === undefined)
    expect(stuck).to.deep.equal([])
  })
})
