import type { EventData } from '../../../../shared/protocol/index.ts'
import type { StoredEvent } from '../../../pipeline/store/event-store.ts'

/** Which key ends at this event, if one does. Told from the text, for most events are never parsed: `type` is last in canonical JSON. */
export function keyEndOf(stored: StoredEvent): EventData<'key.ended'> | undefined {
  if (!stored.json.endsWith('"type":"key.ended"}')) return undefined
  return stored.event.type === 'key.ended' ? stored.event.data : undefined
}

/** The events in pieces, each of which ends where a key does. */
export function piecesByKeyEnd(events: readonly StoredEvent[]): (readonly StoredEvent[])[] {
  const pieces: StoredEvent[][] = []
  let piece: StoredEvent[] = []
  for (const stored of events) {
    piece.push(stored)
    if (keyEndOf(stored) === undefined) continue
    pieces.push(piece)
    piece = []
  }
  return piece.length > 0 ? [...pieces, piece] : pieces
}
