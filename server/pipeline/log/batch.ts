import type { LogDraft, ParleyError, RoomView } from '../../../shared/protocol/index.ts'
import { evolve } from '../../../shared/rules/evolve.ts'
import { byOf, type Principal } from '../../core/access/principal.ts'
import { seal } from '../../core/seal.ts'
import { type EventDocument, type StoredEvent, toDocument } from '../store/event-store.ts'
import { wireBytes } from '../store/stored-event.ts'
import { hold, mustWait } from './holds.ts'
import { keyOf, type Stream } from './stream.ts'
import { answerKnownKey, type Moment, type Submission } from './submission.ts'

/** Bounds of one commit: larger ones gain nothing and make the next wait longer. */
export const MOST_PER_STREAM = 256
export const MOST_PER_COMMIT = 2_000
export const MOST_BYTES_PER_COMMIT = 4 * 1024 * 1024

/** What a stored event carries beside its text, derived from the draft by the features' tables. */
export type Annotate = (
  draft: LogDraft,
  beside: { actor: Principal; room: RoomView; stream: string },
) => Pick<EventDocument, 'audience' | 'call_id' | 'pending' | 'facets'>

/** One frame of a commit. A refused one has no document; it waits for those before it, because its refusal may rest on them. */
export type Entry =
  | { kind: 'event'; submission: Submission; document: EventDocument; stored: StoredEvent; refuse?: ParleyError }
  /** `others`: how much of other writers the room held on which it was refused. */
  | { kind: 'refusal'; submission: Submission; error: unknown; others: number }

/** The frames of one stream in one commit, decided one upon the other. */
export interface Section {
  stream: Stream
  entries: Entry[]
}

interface Tip {
  room: RoomView
  seq: number
  chain: string
}

/**
 * Takes up to the bounds from the stream's queue and decides each frame on the room as the frames before it leave it.
 * Nothing of the stream changes but its queue: what is decided here counts only once it is committed. Never throws: a frame that
 * makes our own code fail is refused with that failure, alone.
 */
export function decideSection(
  stream: Stream,
  room: { events: number; bytes: number },
  annotate: Annotate,
  moment: () => Moment & { salt: string },
): Section {
  const section: Section = { stream, entries: [] }
  const places = new Set<string>()
  let tip: Tip = { room: stream.room, seq: stream.head, chain: stream.chain }
  let taken = 0
  while (taken < stream.queue.length && taken < MOST_PER_STREAM && room.events > 0 && room.bytes > 0) {
    const submission = stream.queue[taken++]
    if (submission === undefined || mustWait(stream, taken - 1)) continue
    if (submission.settled) {
      submission.drop()
      continue
    }
    const place = keyOf(submission.actor.id, submission.key)
    if (places.has(place)) {
      // The same key twice in one commit: the second is put back, and finds the first in the log.
      taken--
      break
    }
    const outcome = attempt(() => decideOne(stream.id, submission, { tip, annotate, moment: moment() }))
    const known = stream.places.get(place)
    if (known !== undefined) answerKnownKey(submission, known, 'error' in outcome ? outcome.error : undefined)
    else if ('error' in outcome) {
      section.entries.push({ kind: 'refusal', submission, error: outcome.error, others: stream.others })
      hold(stream, submission)
    } else {
      section.entries.push(outcome.entry)
      places.add(place)
      tip = outcome.tip
      room.events--
      room.bytes -= outcome.entry.document.json.length
    }
  }
  stream.queue.splice(0, taken)
  return section
}

function decideOne(
  stream: string,
  submission: Submission,
  { tip, annotate, moment }: { tip: Tip; annotate: Annotate; moment: Moment & { salt: string } },
): { entry: Extract<Entry, { kind: 'event' }>; tip: Tip } {
  const { event: draft, refuse } = submission.decide(tip.room, moment)
  const { actor, key, hash } = submission
  const place = { seq: tip.seq + 1, at: submission.at ?? moment.now, by: byOf(actor), key, term: tip.room.floor.term, salt: moment.salt }
  const sealed = seal(draft, place, tip.chain)
  const refused = refuse === undefined ? {} : { refused: refuse.code }
  const document = toDocument(stream, sealed, { hash, ...annotate(draft, { actor, room: tip.room, stream }), ...refused })
  const { event, json, digest } = sealed
  const { seq, chain } = event
  const text = { seq, chain, json, digest, audience: document.audience, hash }
  const stored: StoredEvent = { event, ...text, bytes: wireBytes(json), mine: true, ...refused }
  const entry = { kind: 'event' as const, submission, document, stored, ...(refuse ? { refuse } : {}) }
  return { entry, tip: { room: evolve(tip.room, event), seq, chain } }
}

function attempt<T extends object>(run: () => T): T | { error: unknown } {
  try {
    return run()
  } catch (error) {
    return { error }
  }
}

export function documentsOf(sections: readonly Section[]): EventDocument[] {
  return sections.flatMap(({ entries }) => entries.flatMap((entry) => (entry.kind === 'event' ? entry.document : [])))
}
