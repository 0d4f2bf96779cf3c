import { mongo } from 'mongoose'
import type { ErrorCode, RecordedEvent } from '../../../shared/protocol/index.ts'
import { unseal } from '../../core/seal.ts'
import type { Audience, EventDocument, EventText, StoredEvent } from './event-store.ts'
import { eventTextOf } from './stored-bytes.ts'

/** What the event takes on the wire: its text, its chain, and a comma. */
export function wireBytes(json: string): number {
  return Buffer.byteLength(json) + 80
}

export function toStored(text: EventText): StoredEvent {
  return new ReadEvent(text)
}

/** An event from the bytes that the database sent. */
export function storedFromBytes(bytes: Buffer): StoredEvent {
  return toStored(eventTextOf(bytes) ?? documentFromBytes(bytes))
}

export function documentFromBytes(bytes: Buffer): EventDocument {
  // The cast claims no more than that of a read that decodes.
  return mongo.BSON.deserialize(bytes) as EventDocument
}

/** A class, for who catches up makes thousands of them, and of few is the event itself asked for. */
class ReadEvent implements StoredEvent {
  seq: number
  chain: string
  json: string
  digest: string
  audience: Audience
  hash: string
  bytes: number
  declare refused?: ErrorCode
  #event: RecordedEvent | undefined

  constructor({ seq, chain, json, digest, audience, hash, refused }: EventText) {
    this.seq = seq
    this.chain = chain
    this.json = json
    this.digest = digest
    this.audience = audience
    this.hash = hash
    this.bytes = wireBytes(json)
    if (refused) this.refused = refused
  }

  get event(): RecordedEvent {
    this.#event ??= unseal(this.json, this.chain)
    return this.#event
  }
}
