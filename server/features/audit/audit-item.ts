import { type AuditData, type AuditItem, type RecordedEvent, type TrailEventType, trailEvents } from '../../../shared/protocol/index.ts'
import { actorOf } from '../../pipeline/audit.ts'
import { contractOf } from '../../pipeline/log/record.ts'
import type { EventDocument } from '../../pipeline/store/event-store.ts'
import { isAuditStream } from './own-stream.ts'

type Row = Pick<EventDocument, '_id' | 'stream' | 'seq' | 'json' | 'facets'>

/** A stored event as the trail shows it. Of a room's event only what happened, not what was said in it: that is for the room. */
export function toAuditItem(row: Row): AuditItem {
  return isAuditStream(row.stream) ? ofTheHub(row) : ofARoom(row)
}

function ofTheHub({ stream, seq, json }: Row): AuditItem {
  // The cast holds: only the audit writer writes to the stream.
  const { key, at, type, data } = JSON.parse(json) as { key: string; at: string; type: string; data: AuditData }
  const { agent_ids: _agent_ids, ...shown } = data
  return { event_id: key, at, event_type: type, ...shown, stream, seq }
}

function ofARoom({ _id, stream, seq, json, facets }: Row): AuditItem {
  const { at, type, by, data } = JSON.parse(json) as RecordedEvent
  const contract_id = contractOf(stream)
  const key_id = facets?.find((one) => one.startsWith('key:'))?.slice('key:'.length)
  const call_id = 'call_id' in data ? data.call_id : undefined
  return {
    ...{ event_id: _id, at, event_type: type, severity: trailEvents[type as TrailEventType], actor: actorOf(by) },
    subject: call_id === undefined ? { type: 'contract', id: contract_id } : { type: 'call', id: call_id },
    ...(key_id === undefined ? {} : { key_id }),
    metadata: {
      contract_id,
      ...('tool' in data ? { tool: data.tool } : {}),
      ...('risk' in data ? { risk: data.risk } : {}),
      ...('error' in data ? { code: data.error.code } : {}),
      ...('outcome' in data ? { outcome: data.outcome } : {}),
      ...('agent_id' in data ? { agent_id: data.agent_id } : {}),
      ...('of' in data ? { of: data.of } : {}),
      ...('permissions' in data ? { permissions: data.permissions } : {}),
    },
    ...{ stream, seq },
  }
}
