// Not the index: a browser folds rooms too, and the index would bring zod along.

import type { CallView, ContractView, Permissions, RecordedEvent, RoomView, WireEvent } from '../protocol/index.ts'
import { eventTypes } from '../protocol/log/event-types.ts'
import { type CallMoveEvent, callMachine, callMoves } from './call-machine.ts'
import { isFinal, next } from './machine.ts'
import { unreachable } from './unreachable.ts'

// An older one was cut off everywhere long ago.
const MOST_ENDED_KEYS = 100

const permissionFlags = ['can_read_attachments', 'can_access_web', 'can_run_code_sandbox', 'can_message_requester'] as const

const nothingPermitted: Permissions = {
  can_read_attachments: false,
  can_access_web: false,
  can_run_code_sandbox: false,
  can_message_requester: false,
}

/** A room before its first event. */
export const emptyRoom: RoomView = {
  seq: 0,
  contract: null,
  floor: { holder: '', kind: 'agent', term: 1, since: '1970-01-01T00:00:00.000Z' },
  permissions: nothingPermitted,
  agent: { health: 'ok' },
  members: [],
  tools: [],
  calls: [],
  approvals: [],
}

/**
 * Folds one event into the room and returns the new room; the old one is left as it was. The same function serves live state,
 * reload, tests and the console. Throws RangeError on a hole or a repeat: folding past one would make a room that never was.
 * Events of a type it does not know (a newer hub) and redacted ones only move `seq`.
 */
export function evolve(room: RoomView, event: WireEvent): RoomView {
  if (event.seq !== room.seq + 1) throw new RangeError(`event ${event.seq} does not follow ${room.seq}`)
  const moved = { ...room, seq: event.seq }
  return isKnown(event) ? apply(moved, event) : moved
}

const knownTypes: ReadonlySet<string> = new Set(eventTypes)

function isKnown(event: WireEvent): event is RecordedEvent {
  return knownTypes.has(event.type)
}

function apply(room: RoomView, event: RecordedEvent): RoomView {
  switch (event.type) {
    case 'contract.opened': {
      const { title, requester_id, provider_id, permissions, grants, grants_version, value } = event.data
      return {
        ...room,
        contract: { title, state: 'open', requester_id, provider_id, opened_at: event.at, ...(value ? { value } : {}) },
        floor: { ...room.floor, holder: provider_id, since: event.at },
        permissions,
        ...(grants ? { access: { ...room.access, grants, ...(grants_version === undefined ? {} : { grants_version }) } } : {}),
      }
    }
    case 'contract.ended':
      return { ...room, contract: room.contract && endContract(room.contract, event) }
    case 'message.posted':
    case 'permission.refused':
    case 'key.issued':
      return room
    case 'call.requested': {
      const { call_id, tool, input, deadline, requires_approval, risk } = event.data
      const call: CallView = {
        ...{ call_id, seq: event.seq, tool, input, by: event.by, state: 'requested', requested_at: event.at },
        ...{ deadline, requires_approval, risk },
      }
      return withApprovals({ ...room, calls: [...room.calls, call] })
    }
    case 'call.cancel_requested':
      return changeCall(room, event.data.call_id, (call) => ({ ...call, cancel_requested: true }))
    case 'call.started':
      return moveCall(room, event, startedBy(event.data))
    case 'call.approved':
      // Whoever approves may change the input, and what was decided is what runs.
      return moveCall(room, event, event.data.decided === undefined ? {} : { input: event.data.decided })
    case 'call.denied':
    case 'call.expired':
    case 'call.succeeded':
    case 'call.failed':
    case 'call.canceled':
    case 'call.timed_out':
    case 'call.abandoned':
      return moveCall(room, event, {})
    case 'agent.unhealthy':
      return { ...room, agent: { health: 'unhealthy', since: event.data.since } }
    case 'agent.recovered':
      return { ...room, agent: { health: 'ok', since: event.data.since } }
    case 'permissions.changed':
      return changePermissions(room, event)
    case 'key.ended':
      return { ...room, access: { ...room.access, ended_keys: withEndedKey(room.access?.ended_keys ?? [], event.data.key_id) } }
    default:
      return unreachable(event)
  }
}

function startedBy({ session_id, deadline }: Extract<RecordedEvent, { type: 'call.started' }>['data']): Partial<CallView> {
  return { session_id, ...(deadline === undefined ? {} : { deadline }) }
}

/** Field by field: a newer hub's data may hold more than the view has a place for. */
function endContract(contract: ContractView, { at, data }: Extract<RecordedEvent, { type: 'contract.ended' }>): ContractView {
  return {
    ...{ ...contract, state: 'ended', ended_at: at, outcome: data.outcome },
    ...(data.reason === undefined ? {} : { reason: data.reason }),
  }
}

function changePermissions(room: RoomView, { data, by, at, seq }: Extract<RecordedEvent, { type: 'permissions.changed' }>): RoomView {
  const before = data.of === 'contract' ? room.permissions : room.access?.grants
  const mark = { by: data.granted_by ?? by, at, seq }
  const changed = permissionFlags.filter((flag) => before?.[flag] !== data.permissions[flag]).map((flag) => [flag, mark])
  const set = { ...room.access?.set, [data.of]: { ...room.access?.set?.[data.of], ...Object.fromEntries(changed) } }
  if (data.of === 'contract') return { ...room, permissions: data.permissions, access: { ...room.access, set } }
  const version = data.version === undefined ? {} : { grants_version: data.version }
  return { ...room, access: { ...room.access, grants: data.permissions, ...version, set } }
}

function withEndedKey(ended: readonly string[], key_id: string): string[] {
  return [...ended.filter((id) => id !== key_id), key_id].slice(-MOST_ENDED_KEYS)
}

/** A call that reached its outcome leaves the view: its outcome is in the log. */
function moveCall(room: RoomView, event: Extract<RecordedEvent, { type: CallMoveEvent }>, news: Partial<CallView>): RoomView {
  return changeCall(room, event.data.call_id, (call) => {
    const state = next(callMachine, call.state, callMoves[event.type])
    if (state === undefined) return call
    return isFinal(callMachine, state) ? undefined : { ...call, ...news, state }
  })
}

function changeCall(room: RoomView, call_id: string, change: (call: CallView) => CallView | undefined): RoomView {
  const calls = room.calls.flatMap((call) => (call.call_id === call_id ? (change(call) ?? []) : call))
  return withApprovals({ ...room, calls })
}

function withApprovals(room: RoomView): RoomView {
  return {
    ...room,
    approvals: room.calls.filter((call) => call.requires_approval && call.state === 'requested').map((call) => call.call_id),
  }
}
