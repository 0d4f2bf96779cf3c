import type { EventStore, StoredEvent } from '../store/event-store.ts'
import type { Snapshot, SnapshotStore } from '../store/snapshot-store.ts'
import type { Stream } from './stream.ts'

export interface SnapshotsOptions {
  store: Pick<EventStore, 'read'>
  snapshots: SnapshotStore
  onTrouble(what: string, cause: unknown): void
}

const SNAPSHOT_EVERY = 1_000

/** The folded rooms that a log goes on from: one is kept at about each thousandth event, and believed where the log itself agrees. */
export function createSnapshots({ store, snapshots, onTrouble }: SnapshotsOptions) {
  /**
   * The newest snapshot up to a place, if the log says the same there: a restored log may end before a snapshot that was not restored, or
   * be another than the one it was made of. To go on from that would leave a hole, or tell of another room.
   */
  async function upTo(id: string, seq: number): Promise<Snapshot | undefined> {
    // None is taken so early. Everyone who comes back to a young room would ask.
    if (seq < SNAPSHOT_EVERY) return undefined
    const snapshot = await snapshots.at(id, seq)
    if (snapshot === undefined) return undefined
    const [there] = await store.read(id, { after: snapshot.seq - 1, limit: 1 })
    return there?.event.seq === snapshot.seq && there.event.chain === snapshot.chain ? snapshot : undefined
  }

  function takeWhenDue(stream: Stream, news: readonly StoredEvent[]): void {
    const first = stream.head - news.length
    if (Math.floor(first / SNAPSHOT_EVERY) !== Math.floor(stream.head / SNAPSHOT_EVERY)) take(stream)
  }

  /** There was none to go on from, or none that is believed: the next one who asks shall not read all of it again. */
  function takeWhenFar(stream: Stream, from: Snapshot | undefined): void {
    if (stream.head - (from?.seq ?? 0) >= SNAPSHOT_EVERY) take(stream)
  }

  function take({ id, head: seq, chain, room: view }: Stream): void {
    snapshots.save(id, { seq, chain, view }).catch((cause: unknown) => onTrouble('a snapshot was not saved', cause))
  }

  return { upTo, takeWhenDue, takeWhenFar }
}
