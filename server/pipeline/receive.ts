import { type Frame, type FrameType, fieldErrors, frames, ParleyError } from '../../shared/protocol/index.ts'
import { jsonFault } from '../../shared/rules/json-fault.ts'
import type { Principal } from '../core/access/principal.ts'
import { frameScopes, requireScope } from '../core/access/scopes.ts'
import type { Answer, Command, CommandTable } from './command.ts'
import type { Log } from './log/log.ts'
import type { RecordFrame } from './log/record.ts'
import type { Session } from './session.ts'

/** The one door: every frame of a client is validated, authorized and carried out here. Throws ParleyError to refuse. */
export function createReceive({
  commands,
  record,
  log,
  most_depth,
  noteUse,
}: {
  commands: CommandTable
  record: RecordFrame
  log: Log
  most_depth: number
  /** Who sent a frame, before it is known whether he may. */
  noteUse(principal: Principal): void
}) {
  return async function receive(session: Session, type: string, payload: unknown): Promise<Answer<FrameType>> {
    if (!isFrameType(type)) throw new ParleyError('FRAME_UNKNOWN', { frame: type.slice(0, 100) })
    return carryOut(session, type, payload)
  }

  async function carryOut<T extends FrameType>(session: Session, type: T, payload: unknown): Promise<Answer<T>> {
    noteUse(session.principal)
    requireScope(session.principal, frameScopes[type])
    // Before anything reads it: what could not be hashed, stored or walked through must not come further than here.
    const fault = jsonFault(payload, most_depth)
    if (fault !== undefined) throw new ParleyError('FRAME_INVALID', { frame: type, errors: [fault] })
    const parsed = frames[type].payload.safeParse(payload)
    if (!parsed.success) throw new ParleyError('FRAME_INVALID', { frame: type, errors: fieldErrors(parsed.error) })
    // The cast holds: the schema and the frame's type come from one row of one table.
    const frame = parsed.data as Frame<T>
    const command: Command<T> = commands[type]
    if (command.kind === 'session') return command.handle(session, frame)
    const committed = await record(command, frame as never, session)
    // The cast holds: a recorded command of a client's frame answers that frame's acknowledgement.
    return { ack: () => command.ack(committed, log.epoch) } as Answer<T>
  }
}

export type Receive = ReturnType<typeof createReceive>

function isFrameType(type: string): type is FrameType {
  return Object.hasOwn(frames, type)
}
