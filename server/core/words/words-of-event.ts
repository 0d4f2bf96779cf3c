import type { RecordedEvent } from '../../../shared/protocol/index.ts'
import { tokensOf } from './tokens.ts'

/** The words that a search of a room finds the event by. */
export function wordsOfEvent(event: RecordedEvent): string[] {
  switch (event.type) {
    case 'message.posted':
      return tokensOf(event.data.body)
    case 'call.requested':
      return tokensOf(`${event.data.tool} ${JSON.stringify(event.data.input)}`)
    case 'contract.opened':
      return tokensOf(event.data.title)
    default:
      return []
  }
}
