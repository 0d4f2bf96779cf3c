import type { WireEvent } from '../../../../shared/protocol/index.ts'
import type { EventsText } from '../../../pipeline/session.ts'
import type { StoredEvent } from '../../../pipeline/store/event-store.ts'

/** The event as a reader may see it: a note is a stub for those whom it is not for. No hole, and the chain still verifies. */
export function redact(stored: StoredEvent, seesNotes: boolean): WireEvent {
  return mayRead(stored, seesNotes) ? stored.event : stubOf(stored)
}

/** A batch of a room's log for such a reader. The events' own texts are spliced as they are: nothing is parsed or built anew. */
export function redactedText(
  { contract_id, epoch }: { contract_id: string; epoch: string },
  events: readonly StoredEvent[],
  seesNotes: boolean,
): EventsText {
  const [first, last] = [events.at(0)?.seq ?? 0, events.at(-1)?.seq ?? 0]
  const texts = events.map((stored) => (mayRead(stored, seesNotes) ? chained(stored) : JSON.stringify(stubOf(stored))))
  const envelope = `{"contract_id":${JSON.stringify(contract_id)},"epoch":${JSON.stringify(epoch)},"first":${first},"last":${last}`
  return { contract_id, last, json: `${envelope},"events":[${texts.join(',')}]}` }
}

function mayRead({ audience }: StoredEvent, seesNotes: boolean): boolean {
  return audience === 'all' || seesNotes
}

function stubOf({ seq, digest, chain }: StoredEvent): WireEvent {
  return { seq, type: 'redacted', digest, chain }
}

/** The sealed text holds everything but the chain, which comes last. */
function chained({ json, chain }: StoredEvent): string {
  return `${json.slice(0, -1)},"chain":"${chain}"}`
}
