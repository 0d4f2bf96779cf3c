import type { Connection } from 'mongoose'
import type { Clock } from '../core/clock.ts'

const LOOK_EVERY_MS = 60_000
/** Far below the shortest wait that several hubs judge by their clocks. */
const MOST_OFF_MS = 5_000
/** The answer may have been made at any moment of the wait for it. */
const LONGEST_ANSWER_MS = 1_000

export interface ClockWatchDeps {
  connection: Connection
  clock: Clock
  /** So far the machine's clock is ahead of the database's, or behind it where negative. Told once, until it is right again. */
  onOff(ahead_ms: number): void
  onRight(): void
  /** What this machine takes for the time. */
  machine_ms?(): number
}

/**
 * Compares the machine's clock with that of the database now and then: it is the one clock that all hubs on it see, and of two of them the one
 * that is ahead ends what is not due.
 */
export function createClockWatch({ connection, clock, onOff, onRight, machine_ms = Date.now }: ClockWatchDeps) {
  let isOff = false
  let cancel: (() => void) | undefined
  let running: Promise<void> | undefined

  async function look(): Promise<void> {
    const began = performance.now()
    const signal = AbortSignal.timeout(LONGEST_ANSWER_MS)
    const answer = await connection.db?.command({ hello: 1 }, { signal }).catch(() => undefined) // that it is away is told elsewhere
    const waited_ms = performance.now() - began
    const theirs: unknown = answer?.['localTime']
    if (!(theirs instanceof Date) || waited_ms > LONGEST_ANSWER_MS) return
    judge(Math.round(machine_ms() - waited_ms / 2 - theirs.getTime()))
  }

  function judge(ahead_ms: number): void {
    const wasOff = isOff
    isOff = Math.abs(ahead_ms) > MOST_OFF_MS
    if (isOff && !wasOff) onOff(ahead_ms)
    if (!isOff && wasOff) onRight()
  }

  function start(): void {
    running = look().then(() => {
      cancel = clock.after(LOOK_EVERY_MS, start)
    })
  }

  async function close(): Promise<void> {
    await running
    cancel?.()
  }

  return { start, close }
}
