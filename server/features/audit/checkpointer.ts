import type { mongo } from 'mongoose'
import type { Checkpoint } from '../../../shared/protocol/index.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import type { CheckpointKeys } from '../../core/secrets/checkpoint-keys.ts'
import { eventId } from '../../pipeline/store/event-store.ts'
import { type AuditModels, type CheckpointDocument, checkpointOf } from './model.ts'

const EVERY_MS = 60_000
// A signature costs some 50 µs: after so many, other work comes in between.
const AT_ONCE = 50
const LAST_SEQ = 999_999_999_999
const DUPLICATE_KEY = 11_000

export interface CheckpointerDeps {
  models: AuditModels
  keys: CheckpointKeys
  clock: Clock
  /** Tells each to whoever keeps the hub's log: what lies outside of the database, nobody takes away from there. */
  announce(checkpoint: Checkpoint): void
  onTrouble(what: string, cause: unknown): void
}

/**
 * Signs, every minute and at the end, how far each log has come that this hub wrote to. A chain alone does not show that its end was
 * cut off; a signed place beyond the end does.
 */
export function createCheckpointer({ models: { checkpoints }, keys, clock, announce, onTrouble }: CheckpointerDeps) {
  const ahead = new Map<string, { seq: number; chain: string }>()
  let cancel: (() => void) | undefined
  let running = Promise.resolve()

  /** The hub has committed up to here. Called for every commit, so it does no more than keep it in mind. */
  function note(stream: string, place: { seq: number; chain: string }): void {
    ahead.set(stream, place)
  }

  /** Signs what has gone on since the last time. Never rejects: what the database does not take is signed the next time. */
  function signAll(): Promise<void> {
    running = running.then(async () => {
      const places = [...ahead]
      ahead.clear()
      for (let from = 0; from < places.length; from += AT_ONCE) await signSome(places.slice(from, from + AT_ONCE))
    })
    return running
  }

  async function signSome(places: [string, { seq: number; chain: string }][]): Promise<void> {
    const at = isoTime(clock.now())
    const signed = places.map(([stream, place]) => keys.sign({ stream, ...place, at }))
    try {
      await keep(signed)
      for (const checkpoint of signed) announce(checkpoint)
    } catch (cause) {
      for (const [stream, place] of places) if (!ahead.has(stream)) ahead.set(stream, place)
      onTrouble('checkpoints were not kept', cause)
    }
    await new Promise(setImmediate)
  }

  /** Only ever adds: a place that another hub has signed stays as it is. */
  async function keep(signed: readonly Checkpoint[]): Promise<void> {
    const rows = signed.map((checkpoint): CheckpointDocument => ({ _id: eventId(checkpoint.stream, checkpoint.seq), ...checkpoint }))
    await checkpoints.insertMany(rows, { ordered: false, writeConcern: { w: 'majority', j: true } }).catch((error: unknown) => {
      const failures = [(error as mongo.MongoBulkWriteError).writeErrors ?? []].flat()
      if (failures.length === 0 || failures.some(({ code }) => code !== DUPLICATE_KEY)) throw error
    })
  }

  /** The checkpoints of a stream behind a place, in order. */
  async function read(stream: string, after: number, limit: number): Promise<Checkpoint[]> {
    const range = { _id: { $gt: eventId(stream, after), $lte: eventId(stream, LAST_SEQ) } }
    const rows = await checkpoints.find(range).sort({ _id: 1 }).limit(limit).toArray()
    return rows.map(checkpointOf)
  }

  /** The newest one up to the place stays, whatever is thinned: an export ends there. */
  async function keepForExport(stream: string, head: number): Promise<void> {
    const upTo = { _id: { $gt: eventId(stream, 0), $lte: eventId(stream, head) } }
    await checkpoints.findOneAndUpdate(upTo, { $set: { closes_export: true } }, { sort: { _id: -1 }, projection: { _id: 1 } })
  }

  function start(): void {
    cancel = clock.after(EVERY_MS, () => {
      start()
      void signAll()
    })
  }

  async function close(): Promise<void> {
    cancel?.()
    await signAll()
  }

  return { note, signAll, read, keepForExport, isSigned: keys.isSigned, start, close }
}

export type Checkpointer = ReturnType<typeof createCheckpointer>
