import type { Stream } from './stream.ts'
import type { Submission } from './submission.ts'

/** A frame whose refusal is looked at again, and what its sender sent behind it. */
export interface Hold {
  by: Submission
  frames: Submission[]
}

/**
 * A refusal that the room as it is now may turn into an event comes back to the queue. Until that is known its sender's later frames wait,
 * or they would pass it; nobody else's do. The hub's own stand in no order.
 */
export function hold(stream: Stream, submission: Submission): void {
  // Where there is no log there is no order to keep, and nothing must be kept of what anyone can ask for.
  if (submission.fresh || submission.actor.kind === 'system' || stream.head === 0) return
  stream.holds.set(submission.actor.id, { by: submission, frames: [] })
}

/** Whether the nth frame of the queue waits for one before it; when that one itself has come back, the others follow it at once. */
export function mustWait({ holds, queue }: Stream, nth: number): boolean {
  const submission = queue[nth]
  const held = submission && holds.get(submission.actor.id)
  if (submission === undefined || held === undefined) return false
  if (held.by !== submission) {
    held.frames.push(submission)
    return true
  }
  holds.delete(submission.actor.id)
  queue.splice(nth + 1, 0, ...held.frames)
  return false
}

export function isAwaited({ holds }: Stream, submission: Submission): boolean {
  return holds.get(submission.actor.id)?.by === submission
}

/** The refusal is final, so that nothing comes back: those that wait go first. True when there are such. */
export function letGo(stream: Stream, submission: Submission): boolean {
  if (!isAwaited(stream, submission)) return false
  const frames = stream.holds.get(submission.actor.id)?.frames ?? []
  stream.holds.delete(submission.actor.id)
  stream.queue.unshift(...frames)
  return frames.length > 0
}

/** All that waits, taken out. */
export function takeHeld({ holds }: Stream): Submission[] {
  const frames = [...holds.values()].flatMap((held) => held.frames)
  holds.clear()
  return frames
}
