import {
  type AuditEventDraft,
  type By,
  type EventDraft,
  type RoomView,
  type Severity,
  trailEvents,
} from '../../../shared/protocol/index.ts'
import { tokensOf } from '../../core/tokens.ts'

// Words of one event that a search finds it by.
const MOST_WORDS = 60

/**
 * What an event of the trail is found by, as tags of one index: whatever is asked for together is an intersection of them, in order of
 * time. `any` is on each, for those who ask for nothing.
 */
export const facet = {
  any: 'any',
  type: (type: string) => `type:${type}`,
  severity: (severity: string) => `severity:${severity}`,
  actor: (id: string) => `actor:${id}`,
  subject: ({ type, id }: { type: string; id: string }) => `subject:${type}:${id}`,
  task: (id: string) => `task:${id}`,
  key: (id: string) => `key:${id}`,
  /** The agents that it concerns, as actor, as subject or else: their owners may read it. */
  agent: (id: string) => `agent:${id}`,
  word: (word: string) => `word:${word}`,
}

export function facetsOfAudit({ type, data }: AuditEventDraft): string[] {
  const { severity, actor, subject, key_id, task_id, agent_ids = [], metadata } = data
  const agents = [actor, subject].flatMap((one) => (one.type === 'agent' ? one.id : []))
  return unique([
    facet.any,
    ...[facet.type(type), facet.severity(severity), facet.actor(actor.id), facet.subject(subject)],
    ...(key_id === undefined ? [] : [facet.key(key_id)]),
    ...(task_id === undefined ? [] : [facet.task(task_id)]),
    ...[...agents, ...agent_ids].map(facet.agent),
    ...wordsOf(`${type} ${JSON.stringify(metadata)}`),
  ])
}

/** Undefined for what people say: that is for the members of the room, and the trail does not cover it. */
export function facetsOfRoom(
  { type, data }: EventDraft,
  { by, room, stream }: { by: By; room: RoomView; stream: string },
): string[] | undefined {
  if (type === 'message.posted') return undefined
  const severity: Severity = trailEvents[type]
  const provider_id = type === 'contract.opened' ? data.provider_id : room.contract?.provider_id
  const call = 'call_id' in data ? room.calls.find(({ call_id }) => call_id === data.call_id) : undefined
  const tool = 'tool' in data ? data.tool : call?.tool
  return unique([
    facet.any,
    ...[facet.type(type), facet.severity(severity), facet.actor(by.id)],
    facet.subject({ type: 'contract', id: stream.slice('contract:'.length) }),
    ...('call_id' in data ? [facet.subject({ type: 'call', id: data.call_id })] : []),
    ...(provider_id === undefined ? [] : [facet.agent(provider_id)]),
    ...(by.kind === 'agent' ? [facet.agent(by.id)] : []),
    ...wordsOf(`${type} ${tool ?? ''}`),
  ])
}

function wordsOf(text: string): string[] {
  return tokensOf(text).slice(0, MOST_WORDS).map(facet.word)
}

function unique(facets: string[]): string[] {
  return [...new Set(facets)]
}
