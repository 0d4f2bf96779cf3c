import { closeCodes } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { Session } from '../../pipeline/session.ts'
import type { Meter } from '../meter.ts'
import type { Backlog } from './backlog.ts'

export interface Ladder {
  /** From here on, what is not history is not sent: nobody misses a typing note. */
  shed_bytes: number
  /** From here on, nothing is pushed: the client is told where the log ends, and pulls. */
  lagging_bytes: number
  /** From here on the connection is closed, though it reads: only who asks for far more than its line takes comes so far. */
  close_bytes: number
  /** Without any progress for so long it is closed, however little is queued: come back with `since`. */
  stuck_ms: number
  /** Queued bytes of all connections from which on no more frames are taken in: the heap comes before anyone's frame. */
  node_bytes: number
}

export const defaultLadder: Ladder = {
  shed_bytes: 262_144,
  lagging_bytes: 1_048_576,
  close_bytes: 33_554_432,
  stuck_ms: 10_000,
  node_bytes: 268_435_456,
}

interface Watched {
  session: Session
  backlog: Backlog
  /** How much had left for it when it last moved, and when that was. */
  progress: number
  since_ms: number
}

const LOOK_EVERY_MS = 1_000

/** Watches how far each connection is behind. The log makes a queue per client needless: who cannot keep up is served by pages. */
export function createSlowConsumers({ clock, ladder, meter }: { clock: Clock; ladder: Ladder; meter: Meter }) {
  const watched = new Map<string, Watched>()
  let node_bytes = 0
  let cancel = look()

  function add(session: Session, backlog: Backlog): void {
    watched.set(session.id, { session, backlog, progress: 0, since_ms: clock.monotonic() })
  }

  function remove(session: Session): void {
    watched.delete(session.id)
  }

  /** Whether the connection takes what is told to an audience. One that lags gets no more events, and is told so once. */
  function takes(id: string, { isEvent, lag }: { isEvent: boolean; lag(session: Session): void }): boolean {
    const one = watched.get(id)
    if (one === undefined) return true
    const bytes = one.backlog.bytes()
    if (bytes < ladder.shed_bytes) return true
    if (!isEvent) {
      meter.slowConsumer('shed')
      return false
    }
    if (bytes < ladder.lagging_bytes) return true
    meter.slowConsumer('lagging')
    lag(one.session)
    return false
  }

  function look(): () => void {
    return clock.after(LOOK_EVERY_MS, () => {
      node_bytes = 0
      for (const one of watched.values()) node_bytes += judge(one)
      cancel = look()
    })
  }

  function judge(one: Watched): number {
    one.backlog.pushOut()
    const bytes = one.backlog.bytes()
    const now = clock.monotonic()
    const progress = one.backlog.progress()
    if (bytes === 0 || progress !== one.progress) Object.assign(one, { progress, since_ms: now })
    const isStuck = bytes > 0 && now - one.since_ms >= ladder.stuck_ms
    if (bytes < ladder.close_bytes && !isStuck) return bytes
    meter.slowConsumer('closed')
    one.session.send('closing', { code: closeCodes.SLOW_CONSUMER, reason: 'The connection does not read what it is sent' })
    one.backlog.cut()
    return 0
  }

  return {
    add,
    remove,
    takes,
    isOverloaded: () => node_bytes >= ladder.node_bytes,
    queuedBytes: () => node_bytes,
    close: () => cancel(),
  }
}

export type SlowConsumers = ReturnType<typeof createSlowConsumers>
