import type { PermissionFlag, RecordedEvent } from '../protocol/index.ts'

/** Which permissions an event of the agent rests on, and what made it. The hub keeps the last of each, and a console goes on from there. */
export function permissionsUsedBy({ type, data }: RecordedEvent): [PermissionFlag, string][] {
  switch (type) {
    case 'message.posted': {
      const used: [PermissionFlag, string][] = data.visibility === 'all' ? [['can_message_requester', 'message.post']] : []
      return data.evidence === undefined ? used : [...used, ['can_read_attachments', 'message.post']]
    }
    case 'call.requested':
      return [['can_message_requester', 'tool.call']]
    case 'contract.ended':
      return data.reason === undefined ? [] : [['can_message_requester', 'contract.end']]
    case 'call.cancel_requested':
      return data.reason === undefined ? [] : [['can_message_requester', 'tool.cancel']]
    default:
      return []
  }
}
