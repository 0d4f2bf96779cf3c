import { ParleyError } from '../../../../shared/protocol/index.ts'
import { isoTime } from '../../../core/clock.ts'
import type { RecordedCommand } from '../../../pipeline/command.ts'
import { refuseWhenEnded } from '../../rooms/index.ts'
import type { CallTurns } from '../calls/call-turns.ts'
import { movableCall } from '../calls/open-call.ts'
import type { CallStreams, SealedStream } from '../streams/call-streams.ts'

/** The agent has the call: it acknowledged it, sent a chunk, or answered. */
export const startCall: RecordedCommand<'call.start'> = {
  kind: 'recorded',
  type: 'call.start',
  keyOf: ({ call_id }) => `start:${call_id}`,
  decide: (room, { call_id, session_id, most_ms }, { now_ms }) => {
    // The hub cancels what an ended contract left open.
    refuseWhenEnded(room)
    const call = movableCall(room, call_id, 'start')
    if (call.requires_approval && call.state === 'requested') throw new ParleyError('CALL_NOT_OPEN', { call_id, state: call.state })
    const ends_ms = most_ms === undefined ? Number.POSITIVE_INFINITY : now_ms + most_ms
    const narrowed = ends_ms < Date.parse(call.deadline) ? { deadline: isoTime(ends_ms) } : {}
    return { event: { type: 'call.started', data: { call_id, session_id, ...narrowed } } }
  },
  ack: () => ({}),
}

/** The outcomes that the hub itself writes. Each may lose to another outcome that committed first, and is then refused. */
export function createSystemCalls({ seal, turns }: { seal: CallStreams['seal']; turns: CallTurns }) {
  // In turn with the chunks, so that one which was shown is not left out of the seal; and for every node, as the agent may be on any.
  const prepare = ({ call_id }: { call_id: string }) => turns.take(call_id, () => seal(call_id, { everywhere: true }))
  const release = (facts: SealedStream, isRecorded: boolean) => facts.over(isRecorded)
  const sealed = ({ stream }: SealedStream) => (stream === undefined ? {} : { stream })

  const timeOutCall: RecordedCommand<'call.time_out', SealedStream> = {
    kind: 'recorded',
    type: 'call.time_out',
    keyOf: ({ call_id }) => `timeout:${call_id}`,
    prepare,
    release,
    decide: (room, { call_id }, { facts }) => {
      const { tool } = movableCall(room, call_id, 'time_out')
      return {
        event: {
          type: 'call.timed_out',
          data: { call_id, tool, error: { code: 'TIMED_OUT', message: 'No result before the deadline' }, ...sealed(facts) },
        },
      }
    },
    ack: () => ({}),
  }

  const cancelByHub: RecordedCommand<'call.cancel', SealedStream> = {
    kind: 'recorded',
    type: 'call.cancel',
    keyOf: ({ call_id }) => `canceled:${call_id}`,
    prepare,
    release,
    decide: (room, { call_id, code, message }, { facts }) => {
      const { tool } = movableCall(room, call_id, 'cancel')
      return { event: { type: 'call.canceled', data: { call_id, tool, error: { code, message }, ...sealed(facts) } } }
    },
    ack: () => ({}),
  }

  const abandonCall: RecordedCommand<'call.abandon', SealedStream> = {
    kind: 'recorded',
    type: 'call.abandon',
    keyOf: ({ call_id }) => `abandoned:${call_id}`,
    prepare,
    release,
    decide: (room, { call_id }, { facts }) => {
      const { tool } = movableCall(room, call_id, 'abandon')
      return {
        event: {
          type: 'call.abandoned',
          data: { call_id, tool, error: { code: 'ABANDONED', message: "The agent's session did not come back" }, ...sealed(facts) },
        },
      }
    },
    ack: () => ({}),
  }

  return { timeOutCall, cancelByHub, abandonCall }
}

export type SystemCalls = ReturnType<typeof createSystemCalls>
