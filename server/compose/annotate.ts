import { type EventDraft, isAuditType, type LogDraft } from '../../shared/protocol/index.ts'
import { byOf } from '../core/access/principal.ts'
import { facetsOfAudit, facetsOfRoom } from '../core/words/facets.ts'
import type { Annotate } from '../pipeline/log/batch.ts'
import { contractOf } from '../pipeline/log/record.ts'
import type { Audience } from '../pipeline/store/event-store.ts'

/** What a stored event carries beside its text: who may read it, what finds it, and whether a reactor waits for it. */
export function annotate(hasReactor: (draft: EventDraft) => boolean): Annotate {
  return (draft, { actor, room, stream }) => {
    const audience = audienceOfDraft(draft)
    if (!isOfRoom(draft)) return { audience, facets: facetsOfAudit(draft) }
    const pending = hasReactor(draft) ? { pending: ['react'] } : {}
    // By far the most events: nothing more is derived of them.
    if (draft.type === 'message.posted') return { audience, ...pending }
    const call_id = 'call_id' in draft.data ? draft.data.call_id : undefined
    const call = call_id === undefined ? undefined : room.calls.find((one) => one.call_id === call_id)
    const facets = facetsOfRoom(draft, {
      contract_id: contractOf(stream),
      by: byOf(actor),
      key_id: actor.credential?.kind === 'key' ? actor.credential.id : undefined,
      provider_id: draft.type === 'contract.opened' ? draft.data.provider_id : room.contract?.provider_id,
      tool: 'tool' in draft.data ? draft.data.tool : call?.tool,
    })
    return {
      audience,
      ...(call_id === undefined ? {} : { call_id }),
      ...(facets === undefined ? {} : { facets }),
      ...pending,
    }
  }
}

/** Who may read an event: its own text says so, and nothing else. */
export function audienceOfDraft(draft: LogDraft): Audience {
  if (!isOfRoom(draft)) return 'staff'
  return draft.type === 'message.posted' ? draft.data.visibility : 'all'
}

function isOfRoom(draft: LogDraft): draft is EventDraft {
  return !isAuditType(draft.type)
}
