import type { EventType, RecordedEvent } from '../../../../shared/protocol/index.ts'

/** The events that end a call. */
export const callEnds = [
  'call.succeeded',
  'call.failed',
  'call.canceled',
  'call.timed_out',
  'call.abandoned',
  'call.denied',
  'call.expired',
] as const satisfies EventType[]

const isEnd: ReadonlySet<string> = new Set(callEnds)

export function isEndType(type: string): boolean {
  return isEnd.has(type)
}

export function isCallEnd({ type }: RecordedEvent): boolean {
  return isEndType(type)
}

/** The call that the event ended. */
export function endedCall(event: RecordedEvent): string | undefined {
  return isCallEnd(event) && 'call_id' in event.data ? event.data.call_id : undefined
}
