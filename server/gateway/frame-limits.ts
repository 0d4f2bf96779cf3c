import { LRUCache } from 'lru-cache'
import type { Limits } from '../../shared/protocol/index.ts'
import type { Clock } from '../core/clock.ts'
import type { Session } from '../pipeline/session.ts'
import { type Bucket, createBucket } from './token-bucket.ts'

export interface Budget {
  /** Takes a frame from every bucket that it falls into, or answers how many milliseconds to wait. */
  take(frame: { bytes: number; contract_id: string | undefined }): number
}

/** Buckets of principals and rooms that nobody used for a while are full again, so they may be forgotten. */
const MOST_SHARED = 20_000

/** Token buckets by count and by bytes: of the connection, and by count of its principal and of the room that the frame is about. */
export function createFrameLimits({ limits, clock }: { limits: Limits; clock: Clock }) {
  const shared = new LRUCache<string, Bucket>({ max: MOST_SHARED })

  function sharedBucket(name: string, per_s: number): Bucket {
    const known = shared.get(name)
    if (known !== undefined) return known
    const bucket = createBucket({ per_s, burst: per_s * 2, clock })
    shared.set(name, bucket)
    return bucket
  }

  function of(session: Session): Budget {
    const frames = createBucket({ per_s: limits.frames_per_s, burst: limits.frames_burst, clock })
    const bytes = createBucket({ per_s: limits.bytes_per_s, burst: limits.bytes_per_s, clock })
    return {
      take: (frame) => {
        // The nearest first: a connection that floods does not use up what belongs to its room.
        const own = Math.max(frames.take(1), bytes.take(frame.bytes))
        if (own > 0) return own
        const principal = sharedBucket(`principal:${session.principal.id}`, limits.principal_frames_per_s).take(1)
        if (principal > 0 || frame.contract_id === undefined) return principal
        return sharedBucket(`room:${frame.contract_id}`, limits.room_frames_per_s).take(1)
      },
    }
  }

  return { of }
}

export type FrameLimits = ReturnType<typeof createFrameLimits>
