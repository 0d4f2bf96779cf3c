import { LRUCache } from 'lru-cache'
import type { EventsText } from '../../../pipeline/session.ts'
import type { StoredEvent } from '../../../pipeline/store/event-store.ts'
import { redactedText } from './redact.ts'

interface Made {
  page: readonly StoredEvent[]
  text: EventsText
}

/** Of all pages, with the frames that are made of them. */
const MOST_BYTES = 16_777_216
const BYTES_A_CHARACTER = 4
const GOOD_MS = 10_000

/**
 * The texts of pages, each made once for all who ask for the same page while it is at hand: after a restart everybody does. A page is the
 * same when it is of the very same events in memory, so one that was read anew is made anew.
 */
export function createPageTexts(epoch: string) {
  const made = new LRUCache<string, Made>({
    ...{ maxSize: MOST_BYTES, ttl: GOOD_MS, ttlAutopurge: false },
    sizeCalculation: ({ text }) => text.json.length * BYTES_A_CHARACTER,
  })

  return function textOf(contract_id: string, page: readonly StoredEvent[], seesNotes: boolean): EventsText {
    const name = `${contract_id} ${page.at(0)?.seq} ${page.length} ${seesNotes}`
    const known = made.get(name)
    if (known?.page.every((stored, at) => stored === page[at])) return known.text
    const text = redactedText({ contract_id, epoch }, page, seesNotes)
    made.set(name, { page, text })
    return text
  }
}
