import type { WireEvent } from '../../../../shared/protocol/index.ts'
import { kindWord, whoIs } from '../names.ts'
import { oneLine, plainText } from '../untrusted-text.ts'

/** What a screen reader hears of an event; undefined for what it need not hear: one's own doing, and the steps of a call. */
export function sentenceOf(event: WireEvent, me_id: string): string | undefined {
  if (event.type === 'redacted' || event.by.id === me_id) return undefined
  const { name, kind } = whoIs(event.by.id, event.by.kind)
  const who = `${kindWord[kind]} ${oneLine(plainText(name), 40)}`
  switch (event.type) {
    case 'message.posted':
      return `${who}${event.data.visibility === 'staff' ? ', note for staff' : ''}: ${oneLine(plainText(event.data.body), 160)}`
    case 'contract.ended':
      return `${who} ended the contract`
    case 'call.failed':
    case 'call.timed_out':
    case 'call.abandoned':
      return `A call of ${oneLine(plainText(event.data.tool), 60)} did not succeed`
    case 'agent.unhealthy':
      return 'The agent does not respond'
    case 'agent.recovered':
      return 'The agent is back'
    case 'key.ended':
      return 'A key of the agent has ended'
    default:
      return undefined
  }
}
