import fc from 'fast-check'
import type { EventDraft, RecordedEvent, WireEvent } from '../../shared/protocol/index.ts'

const time = '2026-11-20T12:00:00.000Z'
const chain = 'cd'.repeat(32)
const ids = [1, 2, 3, 4].map((n) => `019a0000-0000-7000-8000-00000000000${n}`) as [string, string, string, string]
const [requester_id, provider_id, session_id] = ids

const callId = fc.constantFrom(...ids)
// Through JSON as on the wire, which has no minus zero.
const input = fc.jsonValue({ maxDepth: 1 }).map((value): unknown => JSON.parse(JSON.stringify(value)))
const error = { code: 'X', message: 'x' }

const request = callId.chain((call_id) =>
  fc.record({
    type: fc.constant('call.requested' as const),
    data: fc.record({
      call_id: fc.constant(call_id),
      tool: fc.constant('search'),
      input,
      deadline: fc.constant(time),
      requires_approval: fc.boolean(),
      risk: fc.constantFrom('low' as const, 'high' as const),
    }),
  }),
)

const callNews: fc.Arbitrary<EventDraft> = fc.oneof(
  callId.map((call_id): EventDraft => ({ type: 'call.started', data: { call_id, session_id } })),
  callId.map((call_id): EventDraft => ({ type: 'call.cancel_requested', data: { call_id } })),
  callId.map((call_id): EventDraft => ({ type: 'call.succeeded', data: { call_id, tool: 'search', output: null } })),
  fc
    .tuple(callId, input, fc.constantFrom('call.approved' as const, 'call.denied' as const, 'call.expired' as const))
    .map(([call_id, decided, type]): EventDraft => ({ type, data: { call_id, proposed: null, decided } })),
  fc
    .tuple(callId, fc.constantFrom('call.failed' as const, 'call.canceled' as const, 'call.timed_out' as const, 'call.abandoned' as const))
    .map(([call_id, type]): EventDraft => ({ type, data: { call_id, tool: 'search', error } })),
)

const others: fc.Arbitrary<EventDraft> = fc.constantFrom<EventDraft>(
  {
    type: 'contract.opened',
    data: {
      ...{ title: 'Translate', requester_id, provider_id, value: { amount_micros: '1', currency: 'EUR' } },
      permissions: { can_read_attachments: true, can_access_web: false, can_run_code_sandbox: true, can_message_requester: false },
    },
  },
  { type: 'contract.ended', data: { outcome: 'completed' } },
  { type: 'contract.ended', data: { outcome: 'canceled', reason: 'no budget' } },
  { type: 'message.posted', data: { body: 'Hello', visibility: 'staff' } },
  { type: 'agent.unhealthy', data: { agent_id: provider_id, session_id, since: time } },
  { type: 'agent.recovered', data: { agent_id: provider_id, session_id, since: time } },
  {
    type: 'permissions.changed',
    data: {
      ...{ of: 'agent', version: 2, granted_by: { kind: 'user', id: requester_id } },
      permissions: { can_read_attachments: false, can_access_web: true, can_run_code_sandbox: true, can_message_requester: false },
    },
  },
  {
    type: 'permission.refused',
    data: {
      ...{ agent_id: provider_id, lacks: 'can_access_web', denied_by: 'agent', what: 'message.post' },
      ...{ last_at: time, count: 3 },
    },
  },
  { type: 'key.issued', data: { agent_id: provider_id, key_id: session_id, bounds: ['allowed_tools'] } },
  { type: 'key.ended', data: { agent_id: provider_id, key_id: session_id, reason: 'revoked' } },
  { type: 'key.ended', data: { agent_id: provider_id, key_id: ids[3], reason: 'expired' } },
)

// The cast is the point: a type that only a newer hub knows.
const unknown = fc.constant({ type: 'weather.changed', data: { call_id: ids[0] } } as unknown as EventDraft)

/** A log of any events in any order, numbered from 1: more than a hub would ever write. */
export const anyLog: fc.Arbitrary<WireEvent[]> = fc
  .array(fc.oneof(request, callNews, callNews, others, unknown), { maxLength: 40 })
  .map(firstRequests)

/** The same, of calls alone. */
export const anyCallLog: fc.Arbitrary<WireEvent[]> = fc.array(fc.oneof(request, callNews, callNews), { maxLength: 60 }).map(firstRequests)

/** The hub makes a new id for every call, so an id is asked for once. */
function firstRequests(drafts: EventDraft[]): WireEvent[] {
  const asked = new Set<string>()
  const once = drafts.filter((draft) => {
    if (draft.type !== 'call.requested') return true
    if (asked.has(draft.data.call_id)) return false
    asked.add(draft.data.call_id)
    return true
  })
  return once.map(recorded)
}

function recorded(draft: EventDraft, index: number): WireEvent {
  const event = {
    ...draft,
    seq: index + 1,
    at: time,
    by: { kind: 'user', id: requester_id },
    key: `k-${index}`,
    term: 1,
    salt: '00',
    chain,
  }
  // The cast holds: a draft and its envelope are an event of the draft's type.
  return event as RecordedEvent
}
