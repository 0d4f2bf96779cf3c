import { wordsOfEvent } from '../../../core/words/words-of-event.ts'
import { createBreather } from '../../../pipeline/background/breather.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import type { Stream } from '../../../pipeline/log/stream.ts'
import type { StoredEvent } from '../../../pipeline/store/event-store.ts'
import type { Range, WordBlocks } from './word-blocks.ts'

const READ_AT_ONCE = 512

export interface Search {
  words: readonly string[]
  seesNotes: boolean
  order: 'asc' | 'desc'
  /** Told how many bytes were looked at. */
  onWork(bytes: number): void
}

/**
 * The events of a room that hold all of the words, one by one in the order asked for. Only what a reader may see is looked at, and
 * everyone else has their turn of the event loop meanwhile.
 */
export function createSearchRoom({ log, blocks }: { log: Log; blocks: WordBlocks }) {
  return async function* searchRoom(stream: Stream, { words, seesNotes, order, onWork }: Search): AsyncGenerator<StoredEvent> {
    const breathe = createBreather()
    const ranges = await blocks.rangesWith(stream, words)
    for (const range of order === 'asc' ? ranges : ranges.reverse()) {
      const found: StoredEvent[] = []
      for (const stored of await eventsIn(stream.id, range)) {
        if (!seesNotes && stored.audience !== 'all') continue
        onWork(stored.bytes)
        await breathe(stored.bytes)
        if (holds(stored, words)) found.push(stored)
      }
      yield* order === 'asc' ? found : found.reverse()
    }
  }

  async function eventsIn(id: string, { after, last }: Range): Promise<StoredEvent[]> {
    const events: StoredEvent[] = []
    for (let at = after; at < last; at = events.at(-1)?.seq ?? last) {
      const page = (await log.page(id, at, Math.min(last - at, READ_AT_ONCE))).events
      if (page.length === 0) break
      events.push(...page)
    }
    return events
  }
}

export type SearchRoom = ReturnType<typeof createSearchRoom>

function holds({ event }: StoredEvent, words: readonly string[]): boolean {
  const own = wordsOfEvent(event)
  return own.length > 0 && words.every((word) => own.includes(word))
}
