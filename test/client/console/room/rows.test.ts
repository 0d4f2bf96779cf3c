import { expect } from 'chai'
import { foldRows, rowOfSeq } from '../../../../client/console/src/room/rows.ts'
import { cutText, jsonLine, partsOf, plainText } from '../../../../client/console/src/untrusted-text.ts'
import type { RecordedEvent, WireEvent } from '../../../../shared/protocol/index.ts'

const frame = { key: 'k', term: 1, salt: '00', chain: '00' }
const by = { kind: 'user' as const, id: 'ada' }
const at = (minute: number) => new Date(2026, 4, 1, 12, minute).toISOString()

function message(seq: number, minute: number, author = 'ada'): RecordedEvent {
  const data = { body: `Text ${seq}`, visibility: 'all' as const }
  return { ...frame, seq, type: 'message.posted', at: at(minute), by: { kind: 'user', id: author }, data }
}

function callEvents(first: number, call_id: string): RecordedEvent[] {
  const input = { words: ['a'] }
  const asked = { call_id, tool: 'search', input, deadline: at(30), requires_approval: false, risk: 'low' as const }
  return [
    { ...frame, by, seq: first, at: at(1), type: 'call.requested', data: asked },
    { ...frame, by, seq: first + 1, at: at(2), type: 'call.started', data: { call_id, session_id: 's' } },
    { ...frame, by, seq: first + 2, at: at(3), type: 'call.succeeded', data: { call_id, tool: 'search', output: { found: 2 } } },
  ]
}

describe('console: rows of the timeline', () => {
  it('[CON-24] the events of a call make one card, where its first loaded event stands', () => {
    const events = [message(1, 0), ...callEvents(2, 'c'), message(5, 4)]
    const rows = foldRows(events)
    expect(rows.map(({ key }) => key)).to.deep.equal(['e1', 'call:c', 'e5'])
    const card = rowOfSeq(rows, events, 4)
    expect(card).to.include({ kind: 'call', seq: 2 })
    expect(card?.kind === 'call' && card.call).to.deep.include({
      state: 'succeeded',
      output: { found: 2 },
      started_at: at(2),
      ended_at: at(3),
      tool: 'search',
    })

    const late = foldRows(events.slice(3))
    expect(late.map(({ key, seq }) => [key, seq])).to.deep.equal([
      ['call:c', 4],
      ['e5', 5],
    ])
  })

  it('[CON-24] a day begins with its first row, and what one writes in two minutes is one turn', () => {
    const nextDay: RecordedEvent = { ...message(5, 0), at: new Date(2026, 4, 2, 9).toISOString() }
    const rows = foldRows([message(1, 0), message(2, 1), message(3, 1, 'ben'), message(4, 9, 'ben'), nextDay])
    expect(rows.map((row) => row.kind === 'message' && row.isGrouped)).to.deep.equal([false, true, false, false, false])
    expect(rows.map(({ day }) => day !== undefined)).to.deep.equal([true, false, false, false, true])
  })

  it('[CON-24] a stub keeps its place, and a row that did not change stays the same object', () => {
    const stub: WireEvent = { seq: 2, type: 'redacted', digest: '00', chain: '00' }
    const events = [message(1, 0), stub, ...callEvents(3, 'c').slice(0, 2)]
    const before = foldRows(events)
    const after = foldRows([...events, ...callEvents(3, 'c').slice(2)], before)
    expect(after[0]).to.equal(before[0])
    expect(after[1]).to.equal(before[1])
    expect(after[2]).to.not.equal(before[2])
    expect(after.map(({ kind }) => kind)).to.deep.equal(['message', 'stub', 'call'])
  })

  it('[CON-20] every character that hides or turns text is named, and nothing else is', () => {
    expect(plainText('a\u202Eb\u2069\u200Fc\u0000\u{E0041}')).to.equal('a[U+202E]b[U+2069][U+200F]c[U+0000][U+E0041]')
    const fine = 'Zeile 1\r\nZeile\t2 — 日本語 עברית 👩‍🚀 é'
    expect(partsOf(fine)).to.deep.equal([{ text: fine }])
    expect(cutText('a\nb\nc', { lines: 2, characters: 99, keep: 'last' })).to.deep.equal({ shown: 'b\nc', isCut: true })
    expect(cutText('abcdef', { lines: 2, characters: 3, keep: 'first' })).to.deep.equal({ shown: 'abc', isCut: true })
    expect(jsonLine({ a: 'x'.repeat(99) }, 12)).to.equal('{"a":"xxxxx…')
  })
})
