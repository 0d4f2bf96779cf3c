import { expect } from 'chai'
import { firstChain, seal } from '../../../server/core/seal.ts'
import type { EventDraft, RecordedEvent } from '../../../shared/protocol/index.ts'
import { createHistory, type FaultKind } from './history.ts'

const contract_id = '019a0000-0000-7000-8000-000000000001'
const call_id = '019a0000-0000-7000-8000-000000000002'
const post = (body: string): EventDraft => ({ type: 'message.posted', data: { body, visibility: 'all' } })

interface Line {
  by?: string
  key: string
  draft: EventDraft
}

/** A log as a right hub would write it. */
function logOf(lines: Line[]): RecordedEvent[] {
  let chain = firstChain(`contract:${contract_id}`)
  return lines.map(({ by = 'ada', key, draft }, at) => {
    const place = { seq: at + 1, at: '2026-11-20T12:00:00.000Z', by: { kind: 'user' as const, id: by }, key, term: 1, salt: '00' }
    const { event } = seal(draft, place, chain)
    chain = event.chain
    return event
  })
}

const three = ['a', 'b', 'c'].map((key): Line => ({ key, draft: post(key) }))
const call: Line[] = [
  {
    key: 'call',
    draft: { type: 'call.requested', data: { call_id, tool: 't', input: null, deadline: '', requires_approval: false, risk: 'low' } },
  },
  { key: 'start', by: 'system', draft: { type: 'call.started', data: { call_id, session_id: call_id } } },
]
const sha256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
const ended: Line = {
  ...{ key: 'end', by: 'agent' },
  draft: { type: 'call.succeeded', data: { call_id, tool: 't', output: null, stream: { parts: 1, bytes: 5, sha256 } } },
}

/** Ada sent a, b, c in this order, and was told where each is; then comes what is planted. */
function faultsOf(plant: (events: RecordedEvent[]) => RecordedEvent[], { lines = three, seen = [] as number[] } = {}): FaultKind[] {
  const history = createHistory()
  const right = logOf(lines)
  for (const key of ['a', 'b', 'c']) history.sent(contract_id, 'ada', { key, body: key })
  for (const { seq, key, chain } of right) history.acked(contract_id, 'ada', { key, seq, chain })
  history.watch('eve', contract_id, 0)(seen.flatMap((seq) => right[seq - 1] ?? []))
  history.text(call_id, 'hello')
  history.log(contract_id, plant(right))
  return [...new Set(history.faults().map(({ kind }) => kind))]
}

describe('the history checker', () => {
  it('[HIST-1] finds no fault in a right history', () => {
    expect(faultsOf((events) => events, { seen: [1, 2, 3] })).to.deep.equal([])
    expect(faultsOf((events) => events, { lines: [...three, ...call, ended] })).to.deep.equal([])
  })

  it('[HIST-2] finds a frame that was acknowledged and is lost', () => {
    expect(faultsOf((events) => events.slice(0, 2))).to.deep.equal(['lost'])
    // With its place given to another, and the chain made whole again by the forger.
    expect(faultsOf(() => logOf([...three.slice(0, 2), { by: 'eve', key: 'x', draft: post('x') }]))).to.deep.equal(['lost'])
  })

  it('[HIST-3] finds a frame that is there twice, and one that stands elsewhere than was said', () => {
    expect(faultsOf(() => logOf([...three, { key: 'a', draft: post('a') }]))).to.include('doubled')
    expect(faultsOf(() => logOf([{ by: 'eve', key: 'x', draft: post('x') }, ...three]))).to.deep.equal(['misplaced'])
  })

  it('[HIST-4] finds frames of one sender in another order, though their chain was made anew', () => {
    const [a, b, c] = three as [Line, Line, Line]
    expect(faultsOf(() => logOf([b, a, c]))).to.include.members(['reordered', 'misplaced'])
  })

  it('[HIST-5] finds what nobody sent, what was changed, and a chain that does not hold', () => {
    expect(faultsOf(() => logOf([...three, { key: 'd', draft: post('d') }]))).to.deep.equal(['forged'])
    const [a, b] = three as [Line, Line, Line]
    expect(faultsOf(() => logOf([a, b, { key: 'c', draft: post('changed') }]))).to.include('forged')
    const changed = (events: RecordedEvent[]) =>
      events.map((event) => (event.type === 'message.posted' && event.seq === 2 ? { ...event, data: { ...event.data, body: 'x' } } : event))
    expect(faultsOf(changed)).to.include.members(['chain', 'forged'])
    expect(faultsOf((events) => events.filter(({ seq }) => seq !== 2))).to.include.members(['hole', 'lost'])
  })

  it('[HIST-6] finds what a client saw twice, in another order, with a hole, or other than the log has it', () => {
    expect(faultsOf((events) => events, { seen: [1, 2, 2, 3] })).to.deep.equal(['seen-twice'])
    expect(faultsOf((events) => events, { seen: [2, 1, 3] })).to.include.members(['seen-hole', 'seen-twice'])
    expect(faultsOf((events) => events, { seen: [1, 3] })).to.deep.equal(['seen-hole'])
    const other = logOf([{ by: 'eve', key: 'x', draft: post('x') }, ...three])
    expect(faultsOf(() => other, { seen: [1] })).to.include('seen-differs')
  })

  it('[HIST-7] finds a call that ended twice, never, or under a seal that is not that of its text', () => {
    expect(faultsOf((events) => events, { lines: [...three, ...call] })).to.deep.equal(['never-ended'])
    const again: Line = { ...ended, key: 'again' }
    expect(faultsOf((events) => events, { lines: [...three, ...call, ended, again] })).to.deep.equal(['ended-twice'])
    const other: Line = { ...ended, draft: { type: 'call.succeeded', data: { call_id, tool: 't', output: null } } }
    expect(faultsOf((events) => events, { lines: [...three, ...call, other] })).to.deep.equal(['seal'])
  })

  it('[HIST-8] finds a frame that never was answered, unless the test is not at its end', () => {
    const history = createHistory()
    history.sent(contract_id, 'ada', { key: 'a', body: 'a' })
    history.log(contract_id, [])
    expect(history.faults()).to.deep.equal([{ kind: 'unanswered', about: 'ada a' }])
    expect(history.faults({ complete: false })).to.deep.equal([])
  })
})
