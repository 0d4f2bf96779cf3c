import { type AuditEventDraft, type By, type EventDraft, type Severity, trailEvents } from '../../../shared/protocol/index.ts'
import { tokensOf } from './tokens.ts'

// Words of one event that a search finds it by.
const MOST_WORDS = 60

/**
 * What an event of the trail is found by, as tags of one index: whatever is asked for together is an intersection of them, in order of
 * time. `any` is on each, for those who ask for nothing.
 */
export const facet = {
  any: 'any',
  /** `key.revoked`, or the family `key`. */
  type: (type: string) => `type:${type}`,
  severity: (severity: string) => `severity:${severity}`,
  actor: (id: string) => `actor:${id}`,
  /** `agent:<id>`. */
  subject: (subject: string) => `subject:${subject}`,
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
    ...[facet.any, ...typesOf(type), facet.severity(severity), facet.actor(actor.id), facet.subject(`${subject.type}:${subject.id}`)],
    ...(key_id === undefined ? [] : [facet.key(key_id)]),
    ...(task_id === undefined ? [] : [facet.task(task_id)]),
    ...[...agents, ...agent_ids].map(facet.agent),
    ...wordsOf(`${type} ${JSON.stringify(metadata)}`),
  ])
}

/** What the facets of a room's event rest on beside the event. */
export interface RoomFacts {
  contract_id: string
  by: By
  /** Of the key that was shown. */
  key_id?: string | undefined
  provider_id?: string | undefined
  /** Of the call. */
  tool?: string | undefined
}

/** Undefined for what people say: that is for the members of the room, and the trail does not cover it. */
export function facetsOfRoom({ type, data }: EventDraft, { contract_id, by, key_id, provider_id, tool }: RoomFacts): string[] | undefined {
  if (type === 'message.posted') return undefined
  const severity: Severity = trailEvents[type]
  return unique([
    ...[facet.any, ...typesOf(type), facet.severity(severity), facet.actor(by.id), facet.subject(`contract:${contract_id}`)],
    ...('call_id' in data ? [facet.subject(`call:${data.call_id}`)] : []),
    ...(key_id === undefined ? [] : [facet.key(key_id)]),
    ...(provider_id === undefined ? [] : [facet.agent(provider_id)]),
    ...(by.kind === 'agent' ? [facet.agent(by.id)] : []),
    ...wordsOf(`${type} ${tool ?? ''}`),
  ])
}

/** The type, and its family. */
function typesOf(type: string): string[] {
  return [facet.type(type), facet.type(type.split('.')[0] ?? type)]
}

function wordsOf(text: string): string[] {
  return tokensOf(text).slice(0, MOST_WORDS).map(facet.word)
}

function unique(facets: string[]): string[] {
  return [...new Set(facets)]
}
