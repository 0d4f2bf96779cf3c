import { hash } from 'node:crypto'
import type { By, LogDraft, RecordedEvent } from '../../shared/protocol/index.ts'
import { canonicalJson } from '../../shared/rules/canonical-json.ts'

export interface Place {
  seq: number
  at: string
  by: By
  key: string
  term: number
  salt: string
}

export interface Sealed {
  event: RecordedEvent
  /** The event's canonical JSON (RFC 8785) without `chain`: what is hashed, and what is stored. */
  json: string
  digest: string
}

/** The chain before a stream's first event: SHA-256 of the stream's name. */
export function firstChain(stream: string): string {
  return hash('sha256', stream, 'hex')
}

export function digestOf(json: string): string {
  return hash('sha256', json, 'hex')
}

/** SHA-256 over the 32 bytes of the previous chain and the 32 of the digest. */
export function nextChain(previous: string, digest: string): string {
  return hash('sha256', Buffer.from(previous + digest, 'hex'), 'hex')
}

/** Gives a draft its place: builds its canonical JSON once, and ties it to all that came before. */
export function seal(draft: LogDraft, place: Place, previousChain: string): Sealed {
  const { seq, at, by, key, term, salt } = place
  // The envelope's own fields are of known shape, so a template in key order is canonical; only what came from outside needs the canonicaliser.
  const json =
    `{"at":"${at}","by":{"id":${JSON.stringify(by.id)},"kind":"${by.kind}"},"data":${canonicalJson(draft.data)},` +
    `"key":${JSON.stringify(key)},"salt":"${salt}","seq":${seq},"term":${term},"type":"${draft.type}"}`
  const digest = digestOf(json)
  // The cast holds: the draft's type and data belong together, and the envelope is added to both alike. (Of an event of the audit trail the
  // road reads the envelope alone; the feature `audit` knows its own.)
  const event = { seq, at, by, key, term, ...draft, salt, chain: nextChain(previousChain, digest) } as unknown as RecordedEvent
  return { event, json, digest }
}

/** The event as it was sealed. Throws on text that is not one: only what the hub itself stored comes here. */
export function unseal(json: string, chain: string): RecordedEvent {
  return { ...JSON.parse(json), chain }
}
