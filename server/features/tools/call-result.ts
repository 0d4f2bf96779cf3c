import { ParleyError, type StreamSeal } from '../../../shared/protocol/index.ts'
import type { RecordedCommand } from '../../pipeline/command.ts'
import type { Session } from '../../pipeline/session.ts'
import { refuseWhenEnded } from '../rooms/index.ts'
import type { CallTurns } from './call-turns.ts'
import { movableCall } from './open-call.ts'
import { refuseUnlessAgent } from './refuse-unless-agent.ts'

export interface ResultDeps {
  turns: CallTurns
  contractOfCall(call_id: string): Promise<string>
  /** A result before any sign of the call having been received starts it first. False when the call is not open to the sender. */
  startCall(contract_id: string, call_id: string, session: Session): Promise<boolean>
  seal(call_id: string): Promise<StreamSeal | undefined>
}

export interface ResultFacts {
  stream: StreamSeal | undefined
}

/** The agent says how the call ended. The same again is a duplicate; another outcome is CALL_NOT_OPEN. */
export function createCallResult({
  turns,
  contractOfCall,
  startCall,
  seal,
}: ResultDeps): RecordedCommand<'agent.tool.result', ResultFacts> {
  return {
    kind: 'recorded',
    type: 'agent.tool.result',
    contractOf: ({ call_id }) => contractOfCall(call_id),
    keyOf: ({ call_id }) => `result:${call_id}`,
    prepare: async ({ call_id }, contract_id, { session }) => {
      // Behind the chunks that came before it. What is over was sealed: it is not read again for a late result.
      const isOpen = session !== undefined && (await turns.take(call_id, () => startCall(contract_id, call_id, session)))
      return { stream: isOpen ? await seal(call_id) : undefined }
    },
    decide: (room, { call_id, status, output, error }, { actor, facts }) => {
      refuseUnlessAgent(actor)
      refuseWhenEnded(room)
      const stream = facts.stream === undefined ? {} : { stream: facts.stream }
      if (status === 'succeeded') {
        const { tool } = movableCall(room, call_id, 'succeed')
        return { event: { type: 'call.succeeded', data: { call_id, tool, output: output ?? null, ...stream } } }
      }
      const { tool } = movableCall(room, call_id, status === 'failed' ? 'fail' : 'cancel')
      if (status === 'failed' && error === undefined) {
        throw new ParleyError('FRAME_INVALID', { errors: [{ pointer: '/error', detail: 'a failed result says why: {code, message}' }] })
      }
      const why = error ?? { code: 'CANCELED', message: 'The agent stopped' }
      return { event: { type: status === 'failed' ? 'call.failed' : 'call.canceled', data: { call_id, tool, error: why, ...stream } } }
    },
    ack: ({ stored, duplicate }) => ({ seq: stored.event.seq, ...(duplicate ? { duplicate: true as const } : {}) }),
  }
}
