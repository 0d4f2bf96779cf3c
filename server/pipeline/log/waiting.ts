import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Committed, Draft, Submission } from './submission.ts'

export const defaultBounds = {
  /** Frames that may wait in all. Past it the hub says OVERLOADED: a bounded queue, and never a silent accept. */
  waiting: 20_000,
  /** The same in bytes of their payloads. */
  waiting_bytes: 67_108_864,
  /** How long a frame waits for the database before its sender is told UNAVAILABLE. */
  give_up_ms: 10_000,
}

/** The frames that wait for the log: so many and so long, and each is answered once. */
export function createWaiting({ waiting, waiting_bytes, give_up_ms }: typeof defaultBounds, onGiveUp: (draft: Draft) => void) {
  let [count, bytes] = [0, 0]

  /** Hands the draft on as a submission, and resolves or rejects as that is told. */
  function take(draft: Draft, handOn: (submission: Submission) => void): Promise<Committed> {
    if (count >= waiting || bytes >= waiting_bytes) {
      draft.certain?.(false)
      return Promise.reject(new ParleyError('OVERLOADED', { waiting: count }))
    }
    const own_bytes = draft.bytes ?? 0
    count++
    bytes += own_bytes
    return new Promise<Committed>((resolve, reject) => {
      let isCertain = false
      const beCertain = (isRecorded: boolean) => {
        if (!isCertain) draft.certain?.(isRecorded)
        isCertain = true
      }
      const settle = (finish: () => void) => {
        if (submission.settled) return
        submission.settled = true
        count--
        bytes -= own_bytes
        clearTimeout(giveUp)
        finish()
      }
      const submission: Submission = {
        ...draft,
        settled: false,
        resolve: (committed) => {
          beCertain(true)
          settle(() => resolve(committed))
        },
        reject: (error) => {
          beCertain(false)
          settle(() => reject(error))
        },
        drop: () => beCertain(false),
      }
      const giveUp = setTimeout(() => {
        // It may be in the commit under way, so nothing is certain yet.
        settle(() => reject(new ParleyError('UNAVAILABLE', { waited_ms: give_up_ms })))
        onGiveUp(draft)
      }, give_up_ms)
      handOn(submission)
    })
  }

  return { take, count: () => count }
}
