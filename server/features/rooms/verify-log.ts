import { digestOf, firstChain, nextChain } from '../../core/seal.ts'
import { type EventDocument, type EventStore, eventId } from '../../pipeline/event-store.ts'

export interface LogVerdict {
  ok: boolean
  /** The last event that verifies. */
  head: number
  chain: string
  first_bad?: number
}

// Small pages, so that other work comes in between.
const READ_AT_ONCE = 500

/** Reads a whole log from the database and hashes it again. Those who ask for one log at the same time share one reading of it. */
export function createVerifyLog(store: EventStore) {
  const under_way = new Map<string, Promise<LogVerdict>>()

  return function verifyLog(stream: string): Promise<LogVerdict> {
    const shared = under_way.get(stream) ?? readAndHash(store, stream).finally(() => under_way.delete(stream))
    under_way.set(stream, shared)
    return shared
  }
}

/** Every event must be what it was when it was written, in its place. */
async function readAndHash(store: EventStore, stream: string): Promise<LogVerdict> {
  let [head, chain] = [0, firstChain(stream)]
  for (;;) {
    const documents = await store.collection
      .find({ _id: { $gt: eventId(stream, head), $lte: eventId(stream, 999_999_999_999) } })
      .sort({ _id: 1 })
      .limit(READ_AT_ONCE)
      .toArray()
    for (const document of documents) {
      const seq = head + 1
      if (document._id !== eventId(stream, seq) || !isWhole(document, seq)) return { ok: false, head, chain, first_bad: seq }
      const next = nextChain(chain, document.digest)
      if (document.chain !== next) return { ok: false, head, chain, first_bad: seq }
      head = seq
      chain = next
    }
    if (documents.length < READ_AT_ONCE) return { ok: true, head, chain }
  }
}

/** Whether the text is what was hashed, and what is queried beside it says the same. Of a text that was changed nothing is taken for granted. */
function isWhole({ json, digest, seq, type, by, key }: EventDocument, place: number): boolean {
  if (typeof json !== 'string' || digestOf(json) !== digest) return false
  try {
    const told = JSON.parse(json)
    return told.seq === place && seq === place && told.type === type && told.key === key && told.by.id === by.id
  } catch {
    // No JSON, or not of the shape of an event: somebody wrote it here, and its digest too.
    return false
  }
}
