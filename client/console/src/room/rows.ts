import type { RecordedEvent, WireEvent } from '../../../../shared/protocol/index.ts'
import { dayOf } from '../time.ts'
import { type CallFold, foldCall, isCallEvent } from './call-fold.ts'

export type MessageEvent = Extract<RecordedEvent, { type: 'message.posted' }>

interface Place {
  /** What the row is about; the same as long as that is shown. */
  key: string
  seq: number
  /** Set on the first row of a day. */
  day: string | undefined
}

export type Row = Place &
  (
    | { kind: 'message'; event: MessageEvent; isGrouped: boolean }
    | { kind: 'call'; call: CallFold }
    | { kind: 'line'; event: RecordedEvent }
    | { kind: 'stub' }
  )

// Messages of one author this close together read as one turn.
const GROUP_MS = 120_000

/**
 * The rows of a piece of the log. Events of a call make one card, which stands where the call's first event stands. A row that
 * did not change is the same object as in `before`, so that it need not be drawn again.
 */
export function foldRows(events: readonly WireEvent[], before: readonly Row[] = []): Row[] {
  const calls = foldCalls(events)
  const known = new Map(before.map((row) => [row.key, row]))
  const rows: Row[] = []
  let last: RecordedEvent | undefined
  for (const event of events) {
    const row = rowOf(event, calls, last)
    if (event.type !== 'redacted') last = event
    if (row !== undefined) rows.push(sameOrNew(known.get(row.key), row))
  }
  return rows
}

/** The place of the row that shows the event: itself, or the card of its call. */
export function rowOfSeq(rows: readonly Row[], events: readonly WireEvent[], seq: number): Row | undefined {
  const event = events.find((one) => one.seq === seq)
  if (event === undefined) return undefined
  const key = isCallEvent(event) ? `call:${event.data.call_id}` : `e${seq}`
  return rows.find((row) => row.key === key)
}

function foldCalls(events: readonly WireEvent[]): Map<string, CallFold> {
  const calls = new Map<string, CallFold>()
  for (const event of events) {
    if (isCallEvent(event)) calls.set(event.data.call_id, foldCall(calls.get(event.data.call_id), event))
  }
  return calls
}

function rowOf(event: WireEvent, calls: Map<string, CallFold>, last: RecordedEvent | undefined): Row | undefined {
  const { seq } = event
  if (event.type === 'redacted') return { kind: 'stub', key: `e${seq}`, seq, day: undefined }
  const day = last === undefined || dayOf(last.at) !== dayOf(event.at) ? event.at : undefined
  if (isCallEvent(event)) {
    const call = calls.get(event.data.call_id)
    return call?.first === seq ? { kind: 'call', key: `call:${call.call_id}`, seq, day, call } : undefined
  }
  if (event.type === 'message.posted') {
    const isGrouped = day === undefined && last !== undefined && isOneTurn(last, event)
    return { kind: 'message', key: `e${seq}`, seq, day, event, isGrouped }
  }
  return { kind: 'line', key: `e${seq}`, seq, day, event }
}

function isOneTurn(before: RecordedEvent, event: MessageEvent): boolean {
  if (before.type !== 'message.posted' || before.by.id !== event.by.id) return false
  if (before.data.visibility !== event.data.visibility) return false
  return Date.parse(event.at) - Date.parse(before.at) < GROUP_MS
}

function sameOrNew(old: Row | undefined, row: Row): Row {
  if (old === undefined || old.kind !== row.kind || old.day !== row.day || old.seq !== row.seq) return row
  if (old.kind === 'message' && row.kind === 'message') return old.isGrouped === row.isGrouped ? old : row
  if (old.kind === 'call' && row.kind === 'call') return old.call.last === row.call.last ? old : row
  return old
}
