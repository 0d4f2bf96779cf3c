import { wordsOfEvent } from '../../../core/words/words-of-event.ts'
import { createBreather } from '../../../pipeline/background/breather.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import type { Stream } from '../../../pipeline/log/stream.ts'
import { bytesOf, eventId, MOST_READ_BYTES, type StoredEvent } from '../../../pipeline/store/event-store.ts'
import type { RoomModels, WordBlockDocument } from '../model.ts'

/** A piece of a log: the events behind `after`, up to `last`. */
export interface Range {
  after: number
  last: number
}

export interface WordBlocks {
  /** The pieces of the log, in order, that may hold all of the words; all others hold no event with all of them. */
  rangesWith(stream: Stream, words: readonly string[]): Promise<Range[]>
}

const EVENTS_PER_BLOCK = 512
// A room of very long messages gets shorter blocks: one is read whole, and a document has its bounds.
const MOST_WORD_CHARS = 524_288

/**
 * Which words stand in which part of a room's log: one document for some hundred events, made when the room is searched and there are
 * enough new ones. A cache, rebuilt at will. Posts pay nothing for it, where an index of words would cost more than all else they do.
 */
export function createWordBlocks({ models, log }: { models: RoomModels; log: Log }): WordBlocks {
  const { wordBlocks } = models
  const building = new Map<string, Promise<number>>()

  async function rangesWith(stream: Stream, words: readonly string[]): Promise<Range[]> {
    const { id, head } = stream
    const covered = Math.min(await (building.get(id) ?? build(id, head)), head)
    const ranges: Range[] = []
    const blocks = wordBlocks.find({ _id: { $gt: eventId(id, 0), $lte: eventId(id, covered) } }).sort({ _id: 1 })
    for await (const block of blocks) if (words.every((word) => block.words.includes(`\n${word}\n`))) ranges.push(block)
    return covered < head ? [...ranges, { after: covered, last: head }] : ranges
  }

  /** Makes the blocks that are due, and answers how far they reach. */
  function build(id: string, head: number): Promise<number> {
    const made = extend(id, head).finally(() => building.delete(id))
    building.set(id, made)
    return made
  }

  async function extend(id: string, head: number): Promise<number> {
    let after = await coveredUpTo(id, head)
    while (after < head) {
      const { events } = await log.page(id, after, EVENTS_PER_BLOCK)
      // Not enough for a block yet: what it would hold is not certain.
      if (events.length < EVENTS_PER_BLOCK && bytesOf(events) < MOST_READ_BYTES) break
      const block = await blockOf(events, after)
      if (block === undefined) break
      // Another search, here or on another node, may be doing the same: both come to the same block.
      await wordBlocks.updateOne({ _id: eventId(id, block.last) }, { $setOnInsert: block }, { upsert: true })
      after = block.last
    }
    return after
  }

  /** A restored log may be another one than the blocks were made of: then they go. Its chain ties a place to all before it. */
  async function coveredUpTo(id: string, head: number): Promise<number> {
    const newest = await wordBlocks
      .find({ _id: { $gt: eventId(id, 0), $lte: eventId(id, head) } }, { projection: { words: 0 } })
      .sort({ _id: -1 })
      .limit(1)
      .next()
    if (newest === null) return 0
    const [there] = (await log.page(id, newest.last - 1, 1)).events
    if (there?.chain === newest.chain) return newest.last
    await wordBlocks.deleteMany({ _id: { $gt: eventId(id, 0), $lt: `${id}:~` } })
    return 0
  }

  return { rangesWith }
}

async function blockOf(events: readonly StoredEvent[], after: number): Promise<Omit<WordBlockDocument, '_id'> | undefined> {
  const breathe = createBreather()
  const words = new Set<string>()
  let [chars, bytes] = [0, 0]
  let end: StoredEvent | undefined
  for (const stored of events) {
    bytes += stored.bytes
    await breathe(stored.bytes)
    for (const word of wordsOfEvent(stored.event)) {
      if (!words.has(word)) chars += word.length + 1
      words.add(word)
    }
    end = stored
    // One read from the database brings at least so much, from memory it may be more: the block must be the same.
    if (chars >= MOST_WORD_CHARS || bytes >= MOST_READ_BYTES) break
  }
  return end && { after, last: end.seq, chain: end.chain, words: `\n${[...words].join('\n')}\n` }
}
