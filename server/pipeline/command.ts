import type {
  By,
  EventData,
  Frame,
  FrameAck,
  FrameType,
  KeyEndReason,
  Permissions,
  ProfileRule,
  RoomView,
} from '../../shared/protocol/index.ts'
import type { RoomFrameType, SystemFrameType } from '../core/access/authorize.ts'
import type { ActingRole, Principal } from '../core/access/principal.ts'
import type { Committed, Decision, Moment } from './log/submission.ts'
import type { Session } from './session.ts'

/** The frames that only the hub sends, and what they hold. */
export interface SystemFrames {
  'contract.open': {
    contract_id: string
    title: string
    requester_id: string
    provider_id: string
    permissions: Permissions
    grants?: Permissions
    grants_version?: number
    value?: { amount_micros: string; currency: string }
  }
  'call.start': { contract_id: string; call_id: string; session_id: string; most_ms?: number }
  'call.time_out': { contract_id: string; call_id: string }
  'call.cancel': { contract_id: string; call_id: string; code: string; message: string }
  'call.abandon': { contract_id: string; call_id: string }
  'agent.mark_unhealthy': { contract_id: string; agent_id: string; session_id: string; since: string }
  'agent.mark_recovered': { contract_id: string; agent_id: string; session_id: string; since: string }
  'contract.permit': {
    contract_id: string
    permissions: Partial<Permissions>
    request_id: string
    if_match?: string
    if_none_match?: string
  }
  'agent.grant': { contract_id: string; agent_id: string; permissions: Permissions; version: number; granted_by: By }
  'key.end': { contract_id: string; agent_id: string; key_id: string; reason: KeyEndReason }
  'key.issue': { contract_id: string; agent_id: string; key_id: string; bounds: ProfileRule[] }
  'permission.refuse': { contract_id: string; request_id: string } & EventData<'permission.refused'>
}

export type Payload<T extends RoomFrameType> = T extends SystemFrameType ? SystemFrames[T] : T extends FrameType ? Frame<T> : never

export interface DecideContext<Facts> extends Moment {
  actor: Principal
  role: ActingRole
  /** What `prepare` found: facts from outside of the room. */
  facts: Facts
}

/** A frame that becomes one event. `decide` is pure. */
export interface RecordedCommand<T extends RoomFrameType, Facts = undefined> {
  kind: 'recorded'
  type: T
  /** The contract that the frame is about, when it does not say so itself. */
  contractOf?(frame: Payload<T>): Promise<string>
  keyOf(frame: Payload<T>): string
  /** What must be alike in two frames of one key; the whole payload, unless it says otherwise. */
  sameAs?(frame: Payload<T>): object
  /** Reads what `decide` needs beside the room. Runs before it is known whether the actor may. The hub's own frames have no session. */
  prepare?(frame: Payload<T>, contract_id: string, sender: { session: Session | undefined }): Promise<Facts>
  /**
   * Lets go of what `prepare` took hold of. Called once, when it is certain whether the frame was recorded; that may be long after
   * its sender was told UNAVAILABLE.
   */
  release?(facts: Facts, isRecorded: boolean): void
  decide(room: RoomView, frame: Payload<T>, context: DecideContext<Facts>): Decision
  ack(committed: Committed, epoch: string): T extends FrameType ? FrameAck<T> : unknown
}

export interface Answer<T extends FrameType> {
  /** Made in the step that sends it, so that it can say how things stand at that very moment. */
  ack: () => FrameAck<T>
  /** Runs once the acknowledgement, of so many characters, is on its way: what must come behind it on the wire. */
  afterwards?: (ack_length: number) => void
}

/** A frame that is not history: it concerns the sender's connection, or it is ephemeral. */
export interface SessionCommand<T extends FrameType> {
  kind: 'session'
  type: T
  handle(session: Session, frame: Frame<T>): Promise<Answer<T>>
}

/** A table may hold commands with facts of any type: each passes its own `prepare` to its own `decide`. */
// biome-ignore lint/suspicious/noExplicitAny: the facts' type is closed over by the command itself, nobody else reads them
export type Command<T extends FrameType> = SessionCommand<T> | (T extends RoomFrameType ? RecordedCommand<T, any> : never)

/** Every frame has its command: a forgotten one does not compile. */
export type CommandTable = { readonly [T in FrameType]: Command<T> }
