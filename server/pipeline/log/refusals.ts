import { ParleyError } from '../../../shared/protocol/index.ts'
import { isOutOfReach } from '../../core/out-of-reach.ts'
import type { EventStore, StoredEvent } from '../store/event-store.ts'
import type { Entry } from './batch.ts'
import { keyOf, knowsAllKeys, type Stream } from './stream.ts'
import { answerKnownKey, type Submission } from './submission.ts'

export interface RefusalOptions {
  store: EventStore
  /** Reads what other writers added up to now; the stream as it then is. */
  refresh(id: string): Promise<Stream>
  /** Puts the frame back into the queue. */
  again(submission: Submission): void
  /** What its sender sent behind it need not wait for it any more. */
  release(stream: Stream, submission: Submission): void
}

/**
 * Refusals are not history, so no compare-and-swap guards them. Before one leaves, the log is asked twice: whether the room was
 * stale (another node may have written what the frame needs: then it is decided again, once), and whether the key is known (the
 * first try may have been committed and its answer lost). The commit does not wait for it.
 */
export function createRefusals({ store, refresh, again, release }: RefusalOptions) {
  function refuse(stream: Stream, entry: Extract<Entry, { kind: 'refusal' }>): void {
    const { submission, error } = entry
    if (!(error instanceof ParleyError)) {
      release(stream, submission)
      submission.reject(error)
      return
    }
    check(stream, entry, error).catch((cause: unknown) => submission.reject(asRefusal(cause)))
  }

  async function check(stream: Stream, { submission, others }: Extract<Entry, { kind: 'refusal' }>, error: ParleyError): Promise<void> {
    if (!submission.fresh && (await isStale(stream, submission, others))) return again(submission)
    const stored = await findKey(stream, submission)
    if (stored === undefined) submission.reject(error)
    else answerKnownKey(submission, stored, error)
  }

  async function isStale(stream: Stream, submission: Submission, others: number): Promise<boolean> {
    let isFinal = true
    try {
      const now = await refresh(stream.id)
      submission.fresh = true
      isFinal = now === stream && now.others === others
    } finally {
      if (isFinal) release(stream, submission)
    }
    return !isFinal
  }

  async function findKey(stream: Stream, { actor, key }: Submission): Promise<StoredEvent | undefined> {
    const near = stream.places.get(keyOf(actor.id, key))
    if (near !== undefined || knowsAllKeys(stream)) return near
    return store.byKey(stream.id, actor.id, key)
  }

  return { refuse, findKey }
}

/** A database that is out of reach is UNAVAILABLE; a fault of ours (a log that does not fold) stays what it is, so that it is seen. */
export function asRefusal(cause: unknown): unknown {
  if (cause instanceof ParleyError) return cause
  const ofTheDriver = cause instanceof Error && /^Mongo/.test(cause.name)
  return ofTheDriver || isOutOfReach(cause) ? new ParleyError('UNAVAILABLE', {}, { cause }) : cause
}
