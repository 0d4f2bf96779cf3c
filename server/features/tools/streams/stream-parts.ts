import type { mongo } from 'mongoose'
import type { Clock } from '../../../core/clock.ts'
import { isDuplicateKey } from '../../../core/duplicate-key.ts'
import type { StreamPartDocument, ToolModels } from '../model.ts'

export interface NewPart {
  call_id: string
  seq: number
  chunk: string
  term: number
}

/** What lies behind a place of a stream. */
export interface Found {
  parts: StreamPartDocument[]
  /** Someone writes the call's outcome, and has sealed the stream at this place. */
  end?: StreamPartDocument
}

/**
 * Who sealed a stream and could not let it go again is dead: no frame waits so long for the log. The call is still open then, for
 * whoever finds the seal has asked the log.
 */
const ABANDONED_MS = 60_000
const LAST_SEQ = 999_999_999
const committed: mongo.WriteConcernSettings = { w: 'majority', j: true }

/** The parts of streams in the database. Each place of a stream is taken once, by a part or by the seal, whichever node asks. */
export function createStreamParts({ parts }: ToolModels, { now }: Pick<Clock, 'now'>) {
  async function after(call_id: string, seq: number): Promise<Found> {
    const range = { _id: { $gt: partId(call_id, seq), $lte: partId(call_id, LAST_SEQ) } }
    const found = await parts.find(range).sort({ _id: 1 }).toArray()
    const end = found.find(({ holders }) => holders !== undefined)
    return { parts: found.filter(({ holders }) => holders === undefined), ...(end === undefined ? {} : { end }) }
  }

  /** Answers which of them are not there, because something else is. */
  async function save(news: readonly NewPart[]): Promise<ReadonlySet<NewPart>> {
    const rows = news.map((part) => ({ _id: partId(part.call_id, part.seq), ...part }))
    try {
      await parts.insertMany(rows, { ordered: true, writeConcern: committed })
      return new Set()
    } catch (error) {
      // Some are there already, of another node or of a try whose answer was lost.
      if (!isDuplicateKey(error)) throw error
    }
    return saveAmongOthers(news, rows)
  }

  /** Asks for each of them, which costs more. */
  async function saveAmongOthers(news: readonly NewPart[], rows: readonly StreamPartDocument[]): Promise<ReadonlySet<NewPart>> {
    const writes = rows.map((row) => ({ updateOne: { filter: { _id: row._id }, update: { $setOnInsert: row }, upsert: true } }))
    const { upsertedIds } = await parts.bulkWrite(writes, { ordered: true, writeConcern: committed })
    const known = rows.filter((_, at) => !Object.hasOwn(upsertedIds, at))
    if (known.length === 0) return new Set()
    const there = await parts.find({ _id: { $in: known.map(({ _id }) => _id) } }).toArray()
    const isSame = new Map(there.map(({ _id, chunk, holders }) => [_id, holders === undefined ? chunk : undefined]))
    return new Set(
      news.filter((part, at) => known.includes(rows[at] as never) && isSame.get(partId(part.call_id, part.seq)) !== part.chunk),
    )
  }

  /** Takes the place for the seal, for one holder among others. False when a part is there. */
  async function sealAt(call_id: string, seq: number, holder: string): Promise<boolean> {
    const _id = partId(call_id, seq)
    const seal = {
      $setOnInsert: { call_id, seq, chunk: '', term: 0 },
      $addToSet: { holders: holder },
      $set: { sealed_at: new Date(now()) },
    }
    try {
      await parts.updateOne({ _id, holders: { $exists: true } }, seal as object, { upsert: true, writeConcern: committed })
      return true
    } catch (error) {
      if (!isDuplicateKey(error)) throw error
      // A part; or the seal of another holder who came in the same moment, and then there is room for both.
      const there = await parts.findOne({ _id })
      return there?.holders === undefined ? false : sealAt(call_id, seq, holder)
    }
  }

  /** The holder lets go. When nobody is left, the stream goes on. */
  async function unsealAt(call_id: string, seq: number, holder: string): Promise<void> {
    const _id = partId(call_id, seq)
    await parts.updateOne({ _id, holders: holder }, { $pull: { holders: holder } } as object)
    await parts.deleteOne({ _id, holders: { $size: 0 } })
  }

  /** Takes away a seal whose holders are dead. False when they need not be. */
  async function breakSeal({ _id, sealed_at, holders }: StreamPartDocument): Promise<boolean> {
    const age_ms = Math.abs(now() - (sealed_at?.getTime() ?? 0))
    if (holders === undefined || age_ms < ABANDONED_MS) return false
    const { deletedCount } = await parts.deleteOne({ _id, sealed_at: sealed_at as Date })
    return deletedCount === 1
  }

  /** The first parts of a stream, as one text. */
  async function read(call_id: string, count: number): Promise<string> {
    const range = { _id: { $gte: partId(call_id, 1), $lte: partId(call_id, count) }, holders: { $exists: false } }
    const found = await parts.find(range).sort({ _id: 1 }).toArray()
    return found.map(({ chunk }) => chunk).join('')
  }

  return { after, save, sealAt, unsealAt, breakSeal, read }
}

export type StreamParts = ReturnType<typeof createStreamParts>

function partId(call_id: string, seq: number): string {
  return `${call_id}:${String(seq).padStart(9, '0')}`
}
