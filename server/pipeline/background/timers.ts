import { type Connection, type mongo, Schema } from 'mongoose'
import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { SystemFrames } from '../command.ts'
import { type DeadLetter, isFree, MOST_ATTEMPTS, reasonOf, waitAfter, willPass } from './retry.ts'
import { createTimerWrites } from './timer-writes.ts'

/** A look at a key that may have ended, or at an agent's permissions that may not be told. */
export type HubLook = { type: 'key.settle'; key_id: string } | { type: 'grants.settle'; agent_id: string }

/** A frame of the hub's own for a room, or a look at a key that may have ended. */
export type TimerFrame = { [T in keyof SystemFrames]: { type: T } & SystemFrames[T] }[keyof SystemFrames] | HubLook

/** A frame that the hub owes itself at a moment. A durable row, so that no crash leaves a call without an end. */
export interface TimerDocument {
  _id: string
  /** Unset in a dead letter. */
  due_at?: Date
  /** Of a frame for a room. */
  contract_id?: string
  /** The agent whose call it is, so that its open calls are found when it says hello. */
  agent_id: string
  frame: TimerFrame
  /** Grows with each claim and each move: only the newest claimant may change the row. */
  fence: number
  claimed_until?: Date
  /** Failures of our own so far, and the last of them. */
  attempts?: number
  error?: string
  /** Given up: a person must look. */
  dead_at?: Date
}

/** What becomes of a timer that fired: done, or due again at a later moment. */
export type Fired = { done: true } | { due_ms: number }

const POLL_EVERY_MS = 1_000
/**
 * So long a node that died keeps others from its timers. A frame may take longer, where chunks and the log are slow: then another node
 * sends it too, under the same key, and the log takes it once.
 */
const LEASE_MS = 15_000
const MOST_AT_ONCE = 200
const MOST_COUNTED = 10_000

/**
 * Timers are swept by any node. Claims carry a fence, and what a timer sends is decided by the log: two nodes firing one timer do no
 * harm, and a node that dies with a claim loses it with its lease.
 */
export function createTimers({
  connection,
  clock,
  fire,
  onTrouble,
  onDeadLetter = () => {},
}: {
  connection: Connection
  clock: Clock
  /** Throws a refusal to end the timer; UNAVAILABLE and OVERLOADED are waited out, and any other error is tried again some times. */
  fire(frame: TimerFrame): Promise<Fired>
  onTrouble(what: string, cause: unknown): void
  /** A timer is given up. */
  onDeadLetter?(letter: DeadLetter): void
}) {
  const schema = new Schema<TimerDocument>({ _id: String }, { strict: false, versionKey: false, autoIndex: false, autoCreate: false })
  const collection = connection.model<TimerDocument>('Timer', schema, 'timers').collection as unknown as mongo.Collection<TimerDocument>
  const writes = createTimerWrites(collection)
  let wake_ms = Number.POSITIVE_INFINITY
  let cancel: (() => void) | undefined
  let running = Promise.resolve()
  let closed = false

  /** Sets the timer, or moves it: what a claimant does with it after that counts no more. */
  async function arm(timer: { id: string; due_ms: number; agent_id: string; frame: TimerFrame }): Promise<void> {
    const { id, due_ms, agent_id, frame } = timer
    const about = 'contract_id' in frame ? { contract_id: frame.contract_id } : {}
    const row = { due_at: new Date(due_ms), ...about, agent_id, frame }
    const update = { $set: row, $unset: { claimed_until: '', attempts: '', error: '', dead_at: '' }, $inc: { fence: 1 } } as const
    await writes.set(id, update)
    schedule(due_ms)
  }

  /** Sets the timer where there is none: who asks for the same later does not put it off. */
  async function armUnlessSet(timer: Parameters<typeof arm>[0]): Promise<void> {
    const isSet = await collection.findOne({ _id: timer.id }, { projection: { _id: 1 } })
    if (isSet === null) await arm(timer)
  }

  async function disarm(ids: string[]): Promise<void> {
    await writes.remove(ids)
  }

  /** The timers of one kind that the open calls of some agents have. */
  async function ofAgents(agent_ids: string[], type: keyof SystemFrames): Promise<(TimerDocument & { contract_id: string })[]> {
    const found = await collection.find({ agent_id: { $in: agent_ids }, 'frame.type': type }).toArray()
    return found.map((timer) => ({ ...timer, contract_id: timer.contract_id ?? '' }))
  }

  function schedule(due_ms: number): void {
    if (closed || due_ms >= wake_ms) return
    cancel?.()
    wake_ms = due_ms
    cancel = clock.after(Math.max(due_ms - clock.now(), 0), () => {
      wake_ms = Number.POSITIVE_INFINITY
      const swept_ms = clock.now()
      void sweep().then(() => scheduleNext(swept_ms))
    })
  }

  /** At the next one's very moment, wherever it was armed; after a while anyway, for another node may arm one meanwhile. */
  async function scheduleNext(swept_ms: number): Promise<void> {
    const poll_ms = clock.now() + POLL_EVERY_MS
    const soon = { due_at: { $gt: new Date(swept_ms), $lt: new Date(poll_ms) }, claimed_until: { $exists: false } }
    const next = await collection.findOne(soon, { sort: { due_at: 1 }, projection: { due_at: 1 } }).catch(() => null) // the poll is soon enough
    schedule(next?.due_at?.getTime() ?? poll_ms)
  }

  /** Fires what is due. One after the other on a node, and never rejects. */
  function sweep(): Promise<void> {
    running = running.then(fireDue).catch((cause: unknown) => onTrouble('the sweep of timers failed', cause))
    return running
  }

  async function fireDue(): Promise<void> {
    for (;;) {
      const now = clock.now()
      const free = { due_at: { $lte: new Date(now) }, ...isFree('claimed_until', now, LEASE_MS) }
      const due = await collection.find(free).sort({ due_at: 1 }).limit(MOST_AT_ONCE).toArray()
      const done = await Promise.allSettled(due.map(({ _id }) => claimAndFire(_id, free)))
      for (const one of done) if (one.status === 'rejected') onTrouble('a timer was left as it was', one.reason)
      if (due.length < MOST_AT_ONCE || done.some(({ status }) => status === 'rejected')) return
    }
  }

  async function claimAndFire(_id: string, free: object): Promise<void> {
    const claim = { $set: { claimed_until: new Date(clock.now() + LEASE_MS) }, $inc: { fence: 1 } }
    const timer = await collection.findOneAndUpdate({ _id, ...free }, claim, { returnDocument: 'after' })
    if (timer === null) return
    const mine = { _id, fence: timer.fence }
    try {
      const fired = await fire(timer.frame)
      if ('done' in fired) await collection.deleteOne(mine)
      else await move(mine, fired.due_ms, { $unset: { claimed_until: '', attempts: '', error: '' } })
    } catch (error) {
      if (willPass(error)) await move(mine, clock.now() + POLL_EVERY_MS, { $unset: { claimed_until: '' } })
      else if (error instanceof ParleyError) await collection.deleteOne(mine)
      else await failed(timer, error)
    }
  }

  async function failed({ _id, fence, attempts: before = 0 }: TimerDocument, cause: unknown): Promise<void> {
    const [attempts, error] = [before + 1, reasonOf(cause)]
    onTrouble(attempts < MOST_ATTEMPTS ? `the timer ${_id} failed` : `the timer ${_id} was given up`, cause)
    if (attempts < MOST_ATTEMPTS) {
      await move({ _id, fence }, clock.now() + waitAfter(attempts), { $set: { attempts, error }, $unset: { claimed_until: '' } })
      return
    }
    const dead = { $set: { attempts, error, dead_at: new Date(clock.now()) }, $unset: { due_at: '', claimed_until: '' } } as const
    const { matchedCount } = await collection.updateOne({ _id, fence }, dead)
    if (matchedCount === 1) onDeadLetter({ kind: 'timer', id: _id, attempts, error })
  }

  async function move(mine: { _id: string; fence: number }, due_ms: number, update: mongo.UpdateFilter<TimerDocument>): Promise<void> {
    const moved = await collection.updateOne(mine, { ...update, $set: { ...update.$set, due_at: new Date(due_ms) } })
    if (moved.matchedCount === 1) schedule(due_ms)
  }

  function start(): void {
    schedule(clock.now())
  }

  async function close(): Promise<void> {
    closed = true
    cancel?.()
    await running
  }

  /** How many were given up and wait for a person. */
  const deadLetters = () => collection.countDocuments({ dead_at: { $gte: new Date(0) } }, { limit: MOST_COUNTED })

  return { collection, deadLetters, arm, armUnlessSet, disarm, ofAgents, sweep, start, close }
}

export type Timers = ReturnType<typeof createTimers>
