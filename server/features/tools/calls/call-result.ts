import { ParleyError } from '../../../../shared/protocol/index.ts'
import { requireProfile } from '../../../core/access/profile.ts'
import type { RecordedCommand } from '../../../pipeline/command.ts'
import type { Session } from '../../../pipeline/session.ts'
import { refuseWhenEnded } from '../../rooms/index.ts'
import { refuseUnlessHolder } from '../dispatch/start-on-sign.ts'
import { refuseUnlessAgent } from '../refuse-unless-agent.ts'
import type { CallStreams, SealedStream } from '../streams/call-streams.ts'
import type { CallTurns } from './call-turns.ts'
import { movableCall } from './open-call.ts'

export interface ResultDeps {
  turns: CallTurns
  contractOfCall(call_id: string): Promise<string>
  /** A result before any sign of the call having been received starts it first. The sender's session, when the call is open to it. */
  startCall(contract_id: string, call_id: string, session: Session): Promise<string | undefined>
  seal: CallStreams['seal']
}

/** Undefined where the call was not open to the sender. */
export interface ResultFacts {
  sealed: SealedStream | undefined
  session_id: string | undefined
}

const moves = { succeeded: 'succeed', failed: 'fail', canceled: 'cancel' } as const

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
      if (session === undefined) return { sealed: undefined, session_id: undefined }
      // Behind the chunks that came before it, and before those that come after it.
      return turns.take(call_id, async () => {
        // What is over was sealed: it is not read again for a late result.
        const session_id = await startCall(contract_id, call_id, session)
        // On this node alone: what an agent sends to another one beside its result stands in no order to it.
        return { session_id, sealed: session_id === undefined ? undefined : await seal(call_id, { everywhere: false }) }
      })
    },
    release: ({ sealed }, isRecorded) => sealed?.over(isRecorded),
    decide: (room, { call_id, status, output, error }, { actor, facts }) => {
      refuseUnlessAgent(actor)
      refuseWhenEnded(room)
      const stream = facts.sealed?.stream === undefined ? {} : { stream: facts.sealed.stream }
      const call = movableCall(room, call_id, moves[status])
      // Another session may have started it in the meantime.
      if (call.state === 'running') refuseUnlessHolder(call, facts.session_id)
      const { tool } = call
      requireProfile(actor, { tools: [tool] })
      if (status === 'succeeded') {
        return { event: { type: 'call.succeeded', data: { call_id, tool, output: output ?? null, ...stream } } }
      }
      if (status === 'failed' && error === undefined) {
        throw new ParleyError('FRAME_INVALID', { errors: [{ pointer: '/error', detail: 'a failed result says why: {code, message}' }] })
      }
      const why = error ?? { code: 'CANCELED', message: 'The agent stopped' }
      return { event: { type: status === 'failed' ? 'call.failed' : 'call.canceled', data: { call_id, tool, error: why, ...stream } } }
    },
    ack: ({ stored, duplicate }) => ({ seq: stored.event.seq, ...(duplicate ? { duplicate: true as const } : {}) }),
  }
}
