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
}

/** Grows with every change of the view or of `evolve`: what an older hub folded is then folded anew. */
const SHAPE = 4

export interface Snapshot {
  seq: number
  chain: string
  view: RoomView
}

export function createSnapshotStore(connection: Connection) {
  const schema = new Schema<SnapshotDocument>({ _id: String }, { strict: false, versionKey: false, autoIndex: false, autoCreate: false })
  const collection = connection.model<SnapshotDocument>('Snapshot', schema, 'snapshots')
    .collection as unknown as mongo.Collection<SnapshotDocument>

  /** The newest snapshot at or before a place. */
  async function at(stream: string, seq: number): Promise<Snapshot | undefined> {
    const range = { _id: { $gt: eventId(stream, 0), $lte: eventId(stream, seq) } }
    const [found] = await collection.find(range).sort({ _id: -1 }).limit(1).toArray()
    return found?.shape === SHAPE ? { seq: found.seq, chain: found.chain, view: JSON.parse(found.view) } : undefined
  }

  async function save(stream: string, { seq, chain, view }: Snapshot): Promise<void> {
    const document = { stream, seq, chain, view: JSON.stringify(view), shape: SHAPE }
    await collection.updateOne({ _id: eventId(stream, seq) }, { $set: document }, { upsert: true })
  }

  return { at, save }
}

export type SnapshotStore = ReturnType<typeof createSnapshotStore>
