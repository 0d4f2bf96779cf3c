import { LRUCache } from 'lru-cache'
import { frames, type Limits } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { Bucket } from '../../core/token-bucket.ts'
import type { Session } from '../../pipeline/session.ts'

export interface MeasuredFrame {
  type: string
  bytes: number
  /** As the payload says, before anything is known of it. */
  contract_id: string | undefined
  /** Set by `take`: its room has paid for it. */
  isOfRoom?: boolean
}

export interface Budget {
  /** Takes a frame from every bucket that it falls into, or answers how many milliseconds to wait. */
  take(frame: MeasuredFrame): number
  /** The frame was carried out: whoever sent it may be in the room that it names. */
  accepted(frame: MeasuredFrame): void
  /** The room is not there for the sender, or no longer. */
  strange(frame: MeasuredFrame): void
}

/** Buckets of principals and rooms that nobody used for a while are full again, so they may be forgotten. */
const MOST_SHARED = 20_000
/** Rooms that one connection is known in. One that is forgotten counts again from its next frame on. */
const MOST_ROOMS = 1_000

/** Frames of which `contract_id` is a field. What else names a room, names it in vain. */
export const roomFrames: ReadonlySet<string> = new Set(
  Object.entries(frames).flatMap(([type, { payload }]) => ('shape' in payload && 'contract_id' in payload.shape ? type : [])),
)

/** What is carried out only for those who may be in the room; anyone may leave one. */
const provesEntry: ReadonlySet<string> = new Set([...roomFrames].filter((type) => type !== 'room.leave'))

/**
 * Token buckets by count and by bytes: of the connection and of its principal, and by count of the room that the frame is about. A
 * room's bucket is for those who were let in: a stranger who only names it uses up nothing that belongs to others.
 */
export function createFrameLimits({ limits, clock }: { limits: Limits; clock: Clock }) {
  const buckets = new LRUCache<string, Bucket>({ max: MOST_SHARED })
  const frames = { per_s: limits.frames_per_s, burst: limits.frames_burst, clock }
  const bytes = { per_s: limits.bytes_per_s, burst: limits.bytes_per_s, clock }

  function bucketOf(name: string, per_s: number): Bucket {
    const known = buckets.get(name)
    if (known !== undefined) return known
    const bucket = new Bucket({ per_s, burst: per_s * 2, clock })
    buckets.set(name, bucket)
    return bucket
  }

  const shared: Shared = {
    frames: (principal_id) => bucketOf(`principal:${principal_id}`, limits.principal_frames_per_s),
    bytes: (principal_id) => bucketOf(`bytes:${principal_id}`, limits.principal_bytes_per_s),
    room: (contract_id) => bucketOf(`room:${contract_id}`, limits.room_frames_per_s),
  }

  return {
    of: (session: Session): Budget => new ConnectionBudget(session, { shared, frames: new Bucket(frames), bytes: new Bucket(bytes) }),
  }
}

export type FrameLimits = ReturnType<typeof createFrameLimits>

/** What connections have in common: the buckets of a principal and of a room. */
interface Shared {
  frames(principal_id: string): Bucket
  bytes(principal_id: string): Bucket
  room(contract_id: string): Bucket
}

/** A class, for every connection has one. */
class ConnectionBudget implements Budget {
  readonly #session: Session
  readonly #shared: Shared
  readonly #frames: Bucket
  readonly #bytes: Bucket
  /** Those that it is known in; made with the first. */
  #rooms: Set<string> | undefined

  constructor(session: Session, { shared, frames, bytes }: { shared: Shared; frames: Bucket; bytes: Bucket }) {
    this.#session = session
    this.#shared = shared
    this.#frames = frames
    this.#bytes = bytes
  }

  take(frame: MeasuredFrame): number {
    // The nearest first: a connection that floods does not use up what belongs to its room.
    const own = Math.max(this.#frames.take(1), this.#bytes.take(frame.bytes))
    if (own > 0) return own
    const { id } = this.#session.principal
    const principal = Math.max(this.#shared.frames(id).take(1), this.#shared.bytes(id).take(frame.bytes))
    if (principal > 0 || frame.contract_id === undefined || !this.#rooms?.has(frame.contract_id)) return principal
    frame.isOfRoom = true
    return this.#shared.room(frame.contract_id).take(1)
  }

  accepted({ type, contract_id, isOfRoom }: MeasuredFrame): void {
    if (contract_id === undefined || isOfRoom || !provesEntry.has(type)) return
    // On credit: those that were sent before the first answer was known are paid for all the same.
    this.#shared.room(contract_id).owe(1)
    this.#rooms ??= new Set()
    this.#rooms.add(contract_id)
    const [oldest] = this.#rooms
    if (this.#rooms.size > MOST_ROOMS && oldest !== undefined) this.#rooms.delete(oldest)
  }

  strange({ contract_id }: MeasuredFrame): void {
    if (contract_id !== undefined) this.#rooms?.delete(contract_id)
  }
}
