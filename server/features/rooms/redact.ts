import type { WireEvent } from '../../../shared/protocol/index.ts'
import type { StoredEvent } from '../../pipeline/event-store.ts'

/** The event as a reader may see it: a note is a stub for those whom it is not for. No hole, and the chain still verifies. */
export function redact({ event, audience, digest }: StoredEvent, seesNotes: boolean): WireEvent {
  return audience === 'all' || seesNotes ? event : { seq: event.seq, type: 'redacted', digest, chain: event.chain }
}
