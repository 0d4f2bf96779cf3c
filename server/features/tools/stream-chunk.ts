import { type Frame, ParleyError, type Push, type RoomView } from '../../../shared/protocol/index.ts'
import { authorize } from '../../core/authorize.ts'
import type { SessionCommand } from '../../pipeline/command.ts'
import type { Log } from '../../pipeline/log.ts'
import { streamOf } from '../../pipeline/record.ts'
import type { Session } from '../../pipeline/session.ts'
import { refuseWhenEnded } from '../rooms/index.ts'
import type { CallStreams } from './call-streams.ts'
import type { CallTurns } from './call-turns.ts'
import { openCall } from './open-call.ts'
import { refuseUnlessAgent } from './refuse-unless-agent.ts'

export interface StreamDeps {
  log: Log
  streams: CallStreams
  turns: CallTurns
  /** Shows the chunk to the room, on every node. */
  show(chunk: Push<'chunk'>): void
  contractOfCall(call_id: string): Promise<string>
  startCall(contract_id: string, call_id: string, session: Session): Promise<boolean>
}

/** A piece of a running call's output: shown to the room at once, in order, and not history. The terminal event seals what it came to. */
export function createStreamChunk({
  log,
  streams,
  turns,
  show,
  contractOfCall,
  startCall,
}: StreamDeps): SessionCommand<'agent.tool.stream'> {
  async function handle(session: Session, frame: Frame<'agent.tool.stream'>) {
    // In turn: chunks and the result of a call take effect in the order in which they came, even when nobody waits for the answers.
    const { saved } = await turns.take(frame.call_id, () => take(session, frame))
    await saved
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
    // Loaded first, so that the look at the call and the taking of the chunk are one step.
    await streams.load(call_id)
    const { room: now } = await log.open(stream)
    refuseWhenEnded(now)
    const call = openCall(now, call_id)
    if (call.state !== 'running') throw new ParleyError('CALL_NOT_OPEN', { call_id, state: call.state })
    const { fresh, saved } = await streams.take({ call_id, seq, chunk, term: now.floor.term })
    if (fresh) show({ contract_id, call_id, seq, chunk })
    return { saved }
  }

  /** Another node may have recorded what this one has not folded yet: the agent came over from there. */
  async function roomOf(stream: string, call_id: string): Promise<RoomView> {
    const { room } = await log.open(stream)
    const isRunning = room.calls.some((call) => call.call_id === call_id && call.state === 'running')
    return isRunning ? room : (await log.refresh(stream)).room
  }

  return { kind: 'session', type: 'agent.tool.stream', handle }
}
