import type { EventDraft, EventType } from '../shared/protocol/index.ts'
import { tokensOf } from './core/tokens.ts'
import type { Annotate } from './pipeline/batch.ts'

/** What a stored event carries beside its text: who may read it, which call it is of, its words, and whether a reactor waits for it. */
export function annotate(hasReactor: (type: EventType) => boolean): Annotate {
  return (draft) => {
    const words = wordsOf(draft)
    return {
      audience: draft.type === 'message.posted' ? draft.data.visibility : 'all',
      ...('call_id' in draft.data ? { call_id: draft.data.call_id } : {}),
      ...(words === '' ? {} : { tokens: tokensOf(words) }),
      ...(hasReactor(draft.type) ? { pending: ['react'] } : {}),
    }
  }
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
