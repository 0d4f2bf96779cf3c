import { hash } from 'node:crypto'
import { canonicalJson } from '../../shared/rules/canonical-json.ts'
import type { RoomFrameType } from '../core/authorize.ts'
import { authorize } from '../core/authorize.ts'
import type { Principal } from '../core/principal.ts'
import type { Payload, RecordedCommand } from './command.ts'
import type { Log } from './log.ts'
import type { LogMeter } from './log-meter.ts'
import type { Session } from './session.ts'
import type { Committed } from './submission.ts'

export function streamOf(contract_id: string): string {
  return `contract:${contract_id}`
}

export function contractOf(stream: string): string {
  return stream.slice('contract:'.length)
}

/** Sends one frame down the road to the log: authorized and decided on the room as it is when its turn comes. */
export function createRecord(log: Log, meter: LogMeter) {
  return async function record<T extends RoomFrameType, Facts>(
    command: RecordedCommand<T, Facts>,
    frame: Payload<T>,
    sender: Principal | Session,
  ): Promise<Committed> {
    const session = 'principal' in sender ? sender : undefined
    const actor = 'principal' in sender ? sender.principal : sender
    const contract_id = command.contractOf === undefined ? ownContract(frame) : await command.contractOf(frame)
    // The cast holds: a command without `prepare` declares its facts undefined.
    const facts = (await command.prepare?.(frame, contract_id, { session })) as Facts
    const text = canonicalJson({ type: command.type, frame: command.sameAs?.(frame) ?? frame })
    const committed = await log.submit({
      stream: streamOf(contract_id),
      actor,
      key: command.keyOf(frame),
      hash: hash('sha256', text, 'hex'),
      bytes: text.length,
      decide: (room, moment) => {
        const role = command.type === 'contract.open' ? 'system' : authorize(room, command.type, actor)
        return command.decide(room, frame, { ...moment, actor, role, facts })
      },
    })
    if (committed.duplicate) meter.duplicate()
    return committed
  }
}

export type RecordFrame = ReturnType<typeof createRecord>

function ownContract(frame: object): string {
  if ('contract_id' in frame && typeof frame.contract_id === 'string') return frame.contract_id
  throw new Error('the command does not say which contract it is about')
}
