import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { type Connection, type mongo, Schema } from 'mongoose'
import type { RoomView } from '../../../shared/protocol/index.ts'
import { eventId } from './event-store.ts'

/** A room folded at one place: a cache, rebuilt at will. The view is kept as text, for its inputs may hold any key. */
interface SnapshotDocument {
  _id: string
  stream: string
  seq: number
  chain: string
  view: string
  /** The shape of the view. */
  shape: number
  /** HMAC-SHA256 of all that, base64url. */
  seal: string
}

/**
 * Grows with every change of the view, of `evolve` or of the seal: what an older hub folded is then folded anew. 4 was the last without a
 * seal.
 */
const SHAPE = 5
/** What was not believed stays for a person to look at. */
const SET_ASIDE = -1
const LAST_SEQ = 999_999_999_999

export interface Snapshot {
  seq: number
  chain: string
  view: RoomView
}

export interface SnapshotStoreDeps {
  connection: Connection
  /** All hubs on the database have it, and the database does not: who can write there alone makes nothing that is believed. */
  key: KeyObject
  /** One that no hub has sealed was found, and is not used. */
  onRefused(place: { stream: string; seq: number }): void
}

export function createSnapshotStore({ connection, key, onRefused }: SnapshotStoreDeps) {
  const schema = new Schema<SnapshotDocument>({ _id: String }, { strict: false, versionKey: false, autoIndex: false, autoCreate: false })
  const collection = connection.model<SnapshotDocument>('Snapshot', schema, 'snapshots')
    .collection as unknown as mongo.Collection<SnapshotDocument>

  /** The newest snapshot at or before a place, if a hub has sealed it as it is. Otherwise none of the room is used any more. */
  async function at(stream: string, seq: number): Promise<Snapshot | undefined> {
    const [found] = await collection.find(upTo(stream, seq)).sort({ _id: -1 }).limit(1).toArray()
    if (found === undefined) return undefined
    if (isSealed(found, stream)) return { seq: found.seq, chain: found.chain, view: JSON.parse(found.view) }
    onRefused({ stream, seq: Number(found._id.slice(stream.length + 1)) })
    await collection.updateMany(upTo(stream, LAST_SEQ), { $set: { shape: SET_ASIDE } })
    return undefined
  }

  async function save(stream: string, { seq, chain, view }: Snapshot): Promise<void> {
    const document = { stream, seq, chain, view: JSON.stringify(view), shape: SHAPE }
    const seal = sealOf(document).toString('base64url')
    await collection.updateOne({ _id: eventId(stream, seq) }, { $set: { ...document, seal } }, { upsert: true })
  }

  function isSealed({ _id, seal, ...document }: SnapshotDocument, stream: string): boolean {
    if (typeof seal !== 'string' || _id !== eventId(stream, document.seq)) return false
    const [wanted, given] = [sealOf({ ...document, stream }), Buffer.from(seal, 'base64url')]
    return given.length === wanted.length && timingSafeEqual(given, wanted)
  }

  function sealOf({ stream, seq, chain, view, shape }: Omit<SnapshotDocument, '_id' | 'seal'>): Buffer {
    return createHmac('sha256', key)
      .update(JSON.stringify([stream, seq, chain, shape, view]))
      .digest()
  }

  return { at, save }
}

export type SnapshotStore = ReturnType<typeof createSnapshotStore>

function upTo(stream: string, seq: number) {
  return { _id: { $gt: eventId(stream, 0), $lte: eventId(stream, seq) }, shape: SHAPE }
}
