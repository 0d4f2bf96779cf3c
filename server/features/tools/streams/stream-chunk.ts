import { type Frame, ParleyError, type Push, type RoomView } from '../../../../shared/protocol/index.ts'
import { authorize } from '../../../core/access/authorize.ts'
import { requireProfile } from '../../../core/access/profile.ts'
import type { SessionCommand } from '../../../pipeline/command.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import type { Session } from '../../../pipeline/session.ts'
import { refuseWhenEnded } from '../../rooms/index.ts'
import type { CallTurns } from '../calls/call-turns.ts'
import { openCall } from '../calls/open-call.ts'
import { refuseUnlessHolder } from '../dispatch/start-on-sign.ts'
import { refuseUnlessAgent } from '../refuse-unless-agent.ts'
import type { CallStreams } from './call-streams.ts'

export interface StreamDeps {
  log: Log
  streams: CallStreams
  turns: CallTurns
  /** Shows the chunk to the room, on every node. */
  show(chunk: Push<'chunk'>): void
  contractOfCall(call_id: string): Promise<string>
  startCall(contract_id: string, call_id: string, session: Session): Promise<string | undefined>
  /** The session that the connection said hello for. */
  sessionOn(session: Session): string | undefined
}

/** A piece of a running call's output: shown to the room at once, in order, and not history. The terminal event seals what it came to. */
export function createStreamChunk({
  log,
  streams,
  turns,
  show,
  contractOfCall,
  startCall,
  sessionOn,
}: StreamDeps): SessionCommand<'agent.tool.stream'> {
  async function handle(session: Session, frame: Frame<'agent.tool.stream'>) {
    // In turn: chunks and the result of a call take effect in the order in which they came, even when nobody waits for the answers.
    const taken = turns.take(frame.call_id, () => take(session, frame))
    await taken.then(({ saved }) => saved).catch((error: unknown) => unlessOver(session, frame.call_id, error))
    return { ack: () => ({}) }
  }

  async function take(session: Session, { call_id, seq, chunk }: Frame<'agent.tool.stream'>): Promise<{ saved: Promise<void> }> {
    const contract_id = await contractOfCall(call_id)
    const stream = streamOf(contract_id)
    const room = await roomOf(stream, call_id)
    authorize(room, 'agent.tool.stream', session.principal)
    refuseUnlessAgent(session.principal)
    refuseWhenEnded(room)
    if (openCall(room, call_id).state !== 'running') await startCall(contract_id, call_id, session)
    const started = await log.open(stream)
    const { fresh, saved } = await streams.take({ call_id, seq, chunk, term: started.room.floor.term }, () =>
      mustRun(session, log.cached(stream)?.room ?? started.room, call_id),
    )
    if (fresh) show({ contract_id, call_id, seq, chunk })
    return { saved }
  }

  function mustRun(session: Session, room: RoomView, call_id: string): void {
    refuseWhenEnded(room)
    const call = openCall(room, call_id)
    if (call.state !== 'running') throw new ParleyError('CALL_NOT_OPEN', { call_id, state: call.state })
    const sender = sessionOn(session)
    if (sender === undefined) throw new ParleyError('HELLO_REQUIRED')
    refuseUnlessHolder(call, sender)
    requireProfile(session.principal, { tools: [call.tool] })
  }

  /** Another node may be writing the outcome, or has: then it is not a matter of trying again. */
  async function unlessOver(session: Session, call_id: string, error: unknown): Promise<never> {
    if (error instanceof ParleyError && error.code === 'UNAVAILABLE') {
      const { room } = await log.refresh(streamOf(await contractOfCall(call_id)))
      mustRun(session, room, call_id)
    }
    throw error
  }

  /** Another node may have recorded what this one has not folded yet: the agent came over from there. */
  async function roomOf(stream: string, call_id: string): Promise<RoomView> {
    const { room } = await log.open(stream)
    const isRunning = room.calls.some((call) => call.call_id === call_id && call.state === 'running')
    return isRunning ? room : (await log.refresh(stream)).room
  }

  return { kind: 'session', type: 'agent.tool.stream', handle }
}
