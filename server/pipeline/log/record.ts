import { hash } from 'node:crypto'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../shared/rules/canonical-json.ts'
import type { RoomFrameType } from '../../core/access/authorize.ts'
import { authorize } from '../../core/access/authorize.ts'
import type { Principal } from '../../core/access/principal.ts'
import type { Payload, RecordedCommand } from '../command.ts'
import { createFrameOrder, type Ordered } from '../frame-order.ts'
import type { Session } from '../session.ts'
import type { Log } from './log.ts'
import type { LogMeter } from './log-meter.ts'
import type { Committed } from './submission.ts'

export function streamOf(contract_id: string): string {
  return `contract:${contract_id}`
}

export function contractOf(stream: string): string {
  return stream.slice('contract:'.length)
}

/**
 * Sends one frame down the road to the log: authorized and decided on the room as it is when its turn comes. `isCut`: the right by which the
 * session was opened has ended, and what it sent before comes too late.
 */
export function createRecord(log: Log, meter: LogMeter, isCut: (session: Session) => boolean = () => false) {
  const inOrder = createFrameOrder()

  return async function record<T extends RoomFrameType, Facts>(
    command: RecordedCommand<T, Facts>,
    frame: Payload<T>,
    sender: Principal | Session,
  ): Promise<Committed> {
    const session = 'principal' in sender ? sender : undefined
    const actor = 'principal' in sender ? sender.principal : sender
    const contract = command.contractOf === undefined ? ownContract(frame) : command.contractOf(frame)
    const prepare = command.prepare && ((contract_id: string) => command.prepare?.(frame, contract_id, { session }) as Promise<Facts>)
    const committed = await (session === undefined
      ? atOnce({ contract, prepare, submit })
      : inOrder(session.id, { contract, prepare, submit }))
    if (committed.duplicate) meter.duplicate()
    return committed

    function submit(contract_id: string, facts: Facts): Promise<Committed> {
      const text = canonicalJson({ type: command.type, frame: command.sameAs?.(frame) ?? frame })
      return log.submit({
        stream: streamOf(contract_id),
        actor,
        key: command.keyOf(frame),
        hash: hash('sha256', text, 'hex'),
        bytes: text.length,
        decide: (room, moment) => {
          if (session !== undefined && isCut(session)) throw new ParleyError('UNAUTHENTICATED')
          const role = command.type === 'contract.open' ? 'system' : authorize(room, command.type, actor)
          return command.decide(room, frame, { ...moment, actor, role, facts })
        },
        ...(command.release === undefined ? {} : { certain: (isRecorded) => command.release?.(facts, isRecorded) }),
      })
    }
  }
}

/** The hub's own frames stand in no order. */
async function atOnce<Facts, T>({ contract, prepare, submit }: Ordered<Facts, T>): Promise<T> {
  const contract_id = await contract
  // The cast holds: a command without `prepare` declares its facts undefined.
  return submit(contract_id, (await prepare?.(contract_id)) as Facts)
}

export type RecordFrame = ReturnType<typeof createRecord>

function ownContract(frame: object): string {
  if ('contract_id' in frame && typeof frame.contract_id === 'string') return frame.contract_id
  throw new Error('the command does not say which contract it is about')
}
