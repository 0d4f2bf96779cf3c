import { type EventDraft, type EventType, isAuditType, type LogDraft } from '../shared/protocol/index.ts'
import { tokensOf } from './core/tokens.ts'
import { facetsOfAudit, facetsOfRoom } from './features/audit/index.ts'
import type { Annotate } from './pipeline/batch.ts'

/** What a stored event carries beside its text: who may read it, which call it is of, its words, and whether a reactor waits for it. */
export function annotate(hasReactor: (type: EventType) => boolean): Annotate {
  return (draft, beside) => {
    if (!isOfRoom(draft)) return { audience: 'staff', facets: facetsOfAudit(draft) }
    const words = wordsOf(draft)
    const facets = facetsOfRoom(draft, beside)
    return {
      audience: draft.type === 'message.posted' ? draft.data.visibility : 'all',
      ...('call_id' in draft.data ? { call_id: draft.data.call_id } : {}),
      ...(words === '' ? {} : { tokens: tokensOf(words) }),
      ...(facets === undefined ? {} : { facets }),
      ...(hasReactor(draft.type) ? { pending: ['react'] } : {}),
    }
  }
}

function isOfRoom(draft: LogDraft): draft is EventDraft {
  return !isAuditType(draft.type)
}

function wordsOf({ type, data }: EventDraft): string {
  switch (type) {
    case 'message.posted':
      return data.body
    case 'call.requested':
      return `${data.tool} ${JSON.stringify(data.input)}`
    case 'contract.opened':
      return data.title
    default:
      return ''
  }
}
