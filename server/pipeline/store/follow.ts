import type { Clock } from '../../core/clock.ts'
import type { Log } from '../log/log.ts'
import type { EventStore } from './event-store.ts'

const COMPARE_EVERY_MS = 5_000
const AT_ONCE = 1_000

/** Looks now and then whether another node wrote to a room that this one keeps: whatever the bus lost is found here. */
export function createFollower({
  log,
  store,
  clock,
  afterwards,
  onTrouble,
}: {
  log: Log
  store: EventStore
  clock: Clock
  afterwards(): Promise<void>
  onTrouble(what: string, cause: unknown): void
}) {
  let cancel: (() => void) | undefined
  let running: Promise<void> | undefined
  let closed = false

  /** One query for all rooms: only those that went on are read. */
  async function compareHeads(): Promise<void> {
    const next = log.nextIds()
    for (let at = 0; at < next.length; at += AT_ONCE) {
      const found = await store.streamsOf(next.slice(at, at + AT_ONCE))
      await Promise.all(found.map(bringUp))
    }
    await afterwards()
  }

  /** One that cannot be read keeps no other from being looked at. */
  async function bringUp(stream: string): Promise<void> {
    try {
      await log.refresh(stream)
    } catch (cause) {
      onTrouble(`what other nodes wrote to ${stream} was not read`, cause)
    }
  }

  /** Looks at what is there from now on: a look under way may have passed by what the asker means. */
  function look(): Promise<void> {
    const mine = (running ?? Promise.resolve())
      .then(compareHeads)
      .catch((cause: unknown) => onTrouble('the look at what other nodes did was cut short', cause))
    running = mine
    return mine
  }

  function start(): void {
    if (closed) return
    cancel = clock.after(COMPARE_EVERY_MS, () => void look().then(start))
  }

  async function close(): Promise<void> {
    closed = true
    cancel?.()
    await running
  }

  return { start, look, close }
}

export type Follower = ReturnType<typeof createFollower>
