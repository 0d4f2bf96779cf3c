import { nextChain } from '../../core/seal.ts'
import type { StoredEvent } from '../store/event-store.ts'
import { fromTail, type Stream } from './stream.ts'

/** How far the members of this node have been told. */
interface Told {
  head: number
  chain: string
}

export interface DroppedOptions {
  isFollowed(stream: string): boolean
  /** The next events behind a place, or none. */
  read(stream: string, after: number): Promise<StoredEvent[]>
  publish(stream: string, news: StoredEvent[]): void
  onTrouble(what: string, cause: unknown): void
}

/**
 * Streams that were dropped while connections of this node follow them. What came behind the place up to which those were told is told as
 * soon as the stream is read anew, once and without a hole; before that nobody tells them anything.
 */
export function createDropped({ isFollowed, read, publish, onTrouble }: DroppedOptions) {
  const byStream = new Map<string, Told>()

  function add({ id, head, chain }: Stream): void {
    if (head > 0 && isFollowed(id)) byStream.set(id, { head, chain })
  }

  /** Up to which place each was told. Who nobody follows any more is forgotten. */
  function places(): [string, number][] {
    for (const id of byStream.keys()) if (!isFollowed(id)) byStream.delete(id)
    return [...byStream].map(([id, { head }]) => [id, head])
  }

  /**
   * Reads what the followers of a stream that is read anew have missed. What it answers tells them, and is to be called in the very step from
   * which on the committer tells.
   */
  async function prepare(stream: Stream): Promise<() => void> {
    const told = byStream.get(stream.id)
    if (told === undefined || told.head === stream.head) return () => void byStream.delete(stream.id)
    const missed = fromTail(stream, told.head, stream.tail.length) ?? (await readUpTo(stream, told.head))
    return () => {
      byStream.delete(stream.id)
      tell(stream.id, told, missed)
    }
  }

  function tell(id: string, told: Told, missed: StoredEvent[]): void {
    try {
      const [first] = missed
      if (first?.chain !== nextChain(told.chain, first?.digest ?? '')) throw new RangeError(`${id} is not what was told up to ${told.head}`)
      publish(id, missed)
    } catch (cause) {
      onTrouble('events were not published', cause)
    }
  }

  async function readUpTo({ id, head }: Stream, after: number): Promise<StoredEvent[]> {
    const missed: StoredEvent[] = []
    while ((missed.at(-1)?.seq ?? after) < head) {
      const events = await read(id, missed.at(-1)?.seq ?? after)
      if (events.length === 0) break
      missed.push(...events)
    }
    return missed.filter(({ seq }) => seq <= head)
  }

  return { add, places, prepare }
}
