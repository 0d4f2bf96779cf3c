import { type LogDraft, ParleyError, type PlainCode, type RoomView } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import type { StoredEvent } from '../store/event-store.ts'

export interface Moment {
  /** ISO 8601. */
  now: string
  now_ms: number
  /** A fresh UUIDv7 for what the event creates. */
  newId(): string
}

/** What a command decided: an event, or an event **and** a refusal (the first late write of an agent is recorded, and refused). */
export interface Decision {
  event: LogDraft
  refuse?: ParleyError
}

/** A frame on its way to the log. `decide` is pure and may be asked again when another node was first; it throws ParleyError to refuse. */
export interface Draft {
  stream: string
  actor: Principal
  /** What makes it idempotent in the stream, with the actor. */
  key: string
  /** SHA-256 of the frame's canonical JSON. */
  hash: string
  /** When it happened, if that is not when it is committed. ISO 8601. */
  at?: string
  /** About how much memory it takes while it waits. */
  bytes?: number
  decide(room: RoomView, moment: Moment): Decision
  /** Called once, when it is certain whether it was recorded: at the answer, or after it when that was UNAVAILABLE. */
  certain?(isRecorded: boolean): void
}

export interface Committed {
  stored: StoredEvent
  /** True when an earlier try of the same frame had been recorded already: `stored` is that event. */
  duplicate: boolean
}

export interface Submission extends Draft {
  settled: boolean
  /** Decided on the room as it was in the database after the frame came: a refusal of it is final. */
  fresh?: boolean
  resolve(committed: Committed): void
  reject(error: unknown): void
  /** Left out of the commits, because nobody waits for it any more. */
  drop(): void
}

/**
 * The answer to a frame whose key the log knows: the original event for the same payload, else the refusal. A frame that was recorded
 * and refused at once is refused again, in the words of the first time.
 */
export function answerKnownKey(submission: Submission, known: StoredEvent, refusal?: unknown): void {
  if (known.hash !== submission.hash) {
    submission.reject(refusal ?? new ParleyError('KEY_REUSED', { key: submission.key, seq: known.event.seq }))
    // The cast holds: of a refusal only the code is recorded, so commands take one whose fix speaks of nothing else.
  } else if (known.refused !== undefined) submission.reject(refusal ?? new ParleyError(known.refused as PlainCode))
  else submission.resolve({ stored: known, duplicate: true })
}
