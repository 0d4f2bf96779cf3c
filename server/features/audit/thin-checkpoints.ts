import type { Checkpoint } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { isDuplicateKey } from '../../core/duplicate-key.ts'
import { isFree } from '../../pipeline/background/retry.ts'
import { type EventStore, eventId } from '../../pipeline/store/event-store.ts'
import { faultBetween, type TellContradicted } from './contradictions.ts'
import { type AuditModels, type CheckpointDocument, checkpointOf } from './model.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** From this age on, one of each so much time stays. The older first. */
const KEPT = [
  { older_than_ms: 30 * DAY_MS, one_of_each_ms: DAY_MS },
  { older_than_ms: DAY_MS, one_of_each_ms: HOUR_MS },
] as const

const NAME = 'checkpoints'
const WALK_EVERY_MS = DAY_MS
const LOOK_EVERY_MS = HOUR_MS
const GO_ON_MS = 60_000
const LEASE_MS = 60_000
const PAGE = 1_000
const MOST_PAGES = 5
// To check a signature costs some 100 µs: after so many, other work comes in between.
const CHECKED_AT_ONCE = 50

export interface ThinDeps {
  models: Pick<AuditModels, 'checkpoints' | 'sweeps'>
  store: Pick<EventStore, 'collection'>
  isSigned(checkpoint: Checkpoint): boolean
  tellContradicted: TellContradicted
  clock: Clock
  onTrouble(what: string, cause: unknown): void
  page?: number
}

interface Claim {
  /** The walk goes on behind this row. */
  after: string
  fence: number
}

/**
 * Takes away checkpoints that a later one makes needless: where the log leads from the one to the other, the later finds whatever the
 * earlier would have found. Any hub does it, once a day, a bounded piece at a time (docs/adr/0015).
 */
export function createThinCheckpoints(deps: ThinDeps) {
  const { models, store, isSigned, tellContradicted, clock, onTrouble, page = PAGE } = deps
  const { checkpoints, sweeps } = models
  let cancel: (() => void) | undefined
  let running = Promise.resolve()
  let closed = false

  /** Undefined where it is not time yet, or another hub is at it. */
  async function claim(): Promise<Claim | undefined> {
    const now = clock.now()
    const free = { _id: NAME, $and: [isFree('next_at', now, WALK_EVERY_MS), isFree('claimed_until', now, LEASE_MS)] }
    const update = { $set: { claimed_until: new Date(now + LEASE_MS) }, $inc: { fence: 1 } }
    const taken = await sweeps.findOneAndUpdate(free, update, { upsert: true, returnDocument: 'after' }).catch((error: unknown) => {
      // The row is there and not free, so the upsert meets its own _id.
      if (!isDuplicateKey(error)) throw error
      return null
    })
    return taken === null ? undefined : { after: taken.after ?? '', fence: taken.fence }
  }

  /** One piece of the walk. Answers whether there is more of it to do. */
  async function sweep(): Promise<boolean> {
    const claimed = await claim()
    if (claimed === undefined) return false
    let { after } = claimed
    let isEnd = false
    for (let pages = 0; pages < MOST_PAGES && !isEnd && !closed; pages++) ({ after, isEnd } = await thinPage(after))
    const then = isEnd ? { after: '', next_at: new Date(clock.now() + WALK_EVERY_MS) } : { after }
    // By the newest claimant only: who was slow must not send the walk back.
    await sweeps.updateOne({ _id: NAME, fence: claimed.fence }, { $set: then, $unset: { claimed_until: '' } })
    return !isEnd
  }

  async function thinPage(after: string): Promise<{ after: string; isEnd: boolean }> {
    const rows = await checkpoints
      .find({ _id: { $gt: after } })
      .sort({ _id: 1 })
      .limit(page)
      .toArray()
    const needless = await needlessOf(rows)
    if (needless.length > 0) {
      const unlessKept = { _id: { $in: needless }, closes_export: { $exists: false } }
      await checkpoints.deleteMany(unlessKept, { writeConcern: { w: 'majority', j: true } })
    }
    // The last row is judged by the one behind it, which the next page begins with.
    return rows.length < page ? { after, isEnd: true } : { after: rows.at(-2)?._id ?? after, isEnd: false }
  }

  /** Those whose next one is of the same stretch of time, and covers them. Whatever does not fit is evidence: it stays, and nothing gives way to it. */
  async function needlessOf(rows: readonly CheckpointDocument[]): Promise<string[]> {
    const now = clock.now()
    const sound = new Map<CheckpointDocument, boolean>()
    const isSound = (row: CheckpointDocument) => {
      const known = sound.get(row) ?? (row._id === eventId(row.stream, row.seq) && isSigned(checkpointOf(row)))
      sound.set(row, known)
      if (!known) tellContradicted(row, 'checkpoint_forged')
      return known
    }
    const needless: string[] = []
    for (const [at, row] of rows.entries()) {
      const next = rows[at + 1]
      if (closed) break
      if (next === undefined || next.stream !== row.stream || row.closes_export || !isOneStretch(row, next, now)) continue
      if (isSound(row) && isSound(next) && (await isCovered(row, next))) needless.push(row._id)
      if (sound.size % CHECKED_AT_ONCE === 0) await new Promise(setImmediate)
    }
    return needless
  }

  async function isCovered(row: CheckpointDocument, next: CheckpointDocument): Promise<boolean> {
    const fault = await faultBetween(store, row, next)
    if (fault !== undefined) tellContradicted(row, fault)
    return fault === undefined
  }

  function later(ms: number): void {
    if (closed) return
    cancel = clock.after(ms, () => {
      running = sweep().then(
        (hasMore) => later(hasMore ? GO_ON_MS : LOOK_EVERY_MS),
        (cause: unknown) => {
          onTrouble('checkpoints were not thinned', cause)
          later(LOOK_EVERY_MS)
        },
      )
    })
  }

  return {
    sweep,
    start: () => later(LOOK_EVERY_MS),
    async close(): Promise<void> {
      closed = true
      cancel?.()
      await running
    },
  }
}

/** Of the hour, or of the day, by the age of the earlier one. */
function isOneStretch(row: CheckpointDocument, next: CheckpointDocument, now_ms: number): boolean {
  const [at, next_at] = [Date.parse(row.at), Date.parse(next.at)]
  const stretch_ms = KEPT.find(({ older_than_ms }) => now_ms - at > older_than_ms)?.one_of_each_ms
  return stretch_ms !== undefined && Math.floor(at / stretch_ms) === Math.floor(next_at / stretch_ms)
}
