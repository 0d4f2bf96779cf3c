import { LRUCache } from 'lru-cache'
import type { mongo } from 'mongoose'
import type { Checkpoint } from '../../../shared/protocol/index.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import type { CheckpointKeys } from '../../core/secrets/checkpoint-keys.ts'
import { type EventStore, eventId } from '../../pipeline/store/event-store.ts'
import type { TellContradicted } from './contradictions.ts'
import { type AuditModels, type CheckpointDocument, checkpointOf } from './model.ts'

const EVERY_MS = 60_000
// A signature costs some 50 µs: after so many, other work comes in between.
const AT_ONCE = 50
const LAST_SEQ = 999_999_999_999
const DUPLICATE_KEY = 11_000
/** Logs whose last signed place is kept in mind. Of the others it is read. */
const MOST_SIGNED = 10_000

export interface CheckpointerDeps {
  models: AuditModels
  keys: CheckpointKeys
  store: Pick<EventStore, 'headsById'>
  tellContradicted: TellContradicted
  clock: Clock
  /** Tells each to whoever keeps the hub's log: what lies outside of the database, nobody takes away from there. */
  announce(checkpoint: Checkpoint): void
  onTrouble(what: string, cause: unknown): void
}

interface Place {
  seq: number
  chain: string
}

/**
 * Signs, every minute and at the end, how far each log has come that this hub wrote to. A chain alone does not show that its end was
 * cut off; a signed place beyond the end does.
 */
export function createCheckpointer({
  models: { checkpoints },
  keys,
  store,
  tellContradicted,
  clock,
  announce,
  onTrouble,
}: CheckpointerDeps) {
  const ahead = new Map<string, Place>()
  const lastSigned = new LRUCache<string, Place>({ max: MOST_SIGNED })
  let cancel: (() => void) | undefined
  let running = Promise.resolve()
  let isClosing = false

  /** The hub has committed up to here. Called for every commit, so it does no more than keep it in mind. */
  function note(stream: string, place: Place): void {
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

  async function signSome(places: [string, Place][]): Promise<void> {
    const at = isoTime(clock.now())
    try {
      if (!isClosing) await compare(places.map(([stream]) => stream))
      const signed = places.map(([stream, place]) => keys.sign({ stream, ...place, at }))
      await keep(signed)
      for (const [stream, place] of places) lastSigned.set(stream, place)
      for (const checkpoint of signed) announce(checkpoint)
    } catch (cause) {
      for (const [stream, place] of places) if (!ahead.has(stream)) ahead.set(stream, place)
      onTrouble('checkpoints were not kept', cause)
    }
    await new Promise(setImmediate)
  }

  /**
   * Holds what the database has against what was signed of it last, before more of it is signed. What differs is told; the log is signed
   * on all the same, for its checkpoints that differ stay, and verify says so (docs/adr/0015).
   */
  async function compare(streams: readonly string[]): Promise<void> {
    const signed = (await Promise.all(streams.map(newestOf))).flatMap((place) => place ?? [])
    const heads = await store.headsById(signed.map(({ stream, seq }) => eventId(stream, seq)))
    const chains = new Map(heads.map(({ _id, chain }) => [_id, chain]))
    for (const { stream, seq, chain } of signed) {
      const there = chains.get(eventId(stream, seq))
      if (there !== chain) tellContradicted({ stream, seq }, there === undefined ? 'cut_short' : 'checkpoint_differs')
    }
  }

  async function newestOf(stream: string): Promise<(Place & { stream: string }) | undefined> {
    const known = lastSigned.get(stream)
    if (known !== undefined) return { stream, ...known }
    const row = await checkpoints.findOne({ _id: { $gt: eventId(stream, 0), $lte: eventId(stream, LAST_SEQ) } }, { sort: { _id: -1 } })
    if (row === null) return undefined
    if (row._id === eventId(stream, row.seq) && keys.isSigned(checkpointOf(row))) return { stream, seq: row.seq, chain: row.chain }
    tellContradicted({ stream, seq: row.seq }, 'checkpoint_forged')
    return undefined
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

  /** The last comparison, as long as the trail still takes what it finds. What comes later is signed by `close` without one. */
  async function lastLook(): Promise<void> {
    cancel?.()
    const look = async () => {
      const streams = [...ahead.keys()]
      for (let from = 0; from < streams.length; from += AT_ONCE) await compare(streams.slice(from, from + AT_ONCE))
    }
    running = running.then(look).catch((cause: unknown) => onTrouble('checkpoints were not compared', cause))
    await running
    isClosing = true
  }

  async function close(): Promise<void> {
    cancel?.()
    await signAll()
  }

  return { note, signAll, read, keepForExport, isSigned: keys.isSigned, start, lastLook, close }
}

export type Checkpointer = ReturnType<typeof createCheckpointer>
