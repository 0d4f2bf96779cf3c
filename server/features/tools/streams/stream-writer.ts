import { ParleyError } from '../../../../shared/protocol/index.ts'
import type { NewPart, StreamParts } from './stream-parts.ts'

export interface WrittenStream {
  /** How many chunks are in the database. */
  saved: number
  /** Something else stands in the database in the place of one of its chunks: nothing more of it counts. */
  isLost: boolean
  waiters: { seq: number; resolve(): void; reject(error: unknown): void }[]
}

const MOST_PER_SAVE = 1_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

/** Brings the chunks of all streams into the database, in their order and many at once, and tells who waits for one. */
export function createStreamWriter<Stream extends WrittenStream>({
  parts,
  give_up_ms,
  onTrouble,
  onSaved,
}: {
  parts: Pick<StreamParts, 'save'>
  /** Who waits longer is told UNAVAILABLE; the chunk may be saved all the same. */
  give_up_ms: number
  onTrouble(what: string, cause: unknown): void
  /** These are saved further, or lost. */
  onSaved(streams: Iterable<Stream>): void
}) {
  let unsaved: { part: NewPart; stream: Stream }[] = []
  let saving: Promise<void> | undefined

  function save(part: NewPart, stream: Stream): Promise<void> {
    unsaved.push({ part, stream })
    saving ??= saveAll()
    return savedUpTo(stream, part.seq)
  }

  /** Tried until the database answers. */
  async function saveAll(): Promise<void> {
    await new Promise(setImmediate)
    let wait = FIRST_PAUSE_MS
    while (unsaved.length > 0) {
      const batch = unsaved.slice(0, MOST_PER_SAVE)
      try {
        settle(batch, await parts.save(batch.map(({ part }) => part)))
      } catch (cause) {
        onTrouble('chunks were not saved', cause)
        await new Promise((resolve) => setTimeout(resolve, wait))
        wait = Math.min(wait * 2, LONGEST_PAUSE_MS)
        continue
      }
      unsaved = unsaved.slice(batch.length).filter(({ stream }) => !stream.isLost)
    }
    // In the step that found nothing left: a chunk that comes now starts anew, and none waits between the two.
    saving = undefined
  }

  function settle(batch: typeof unsaved, foreign: ReadonlySet<NewPart>): void {
    for (const { part, stream } of batch) {
      if (foreign.has(part)) stream.isLost = true
      else if (!stream.isLost) stream.saved = part.seq
    }
    const streams = new Set(batch.map(({ stream }) => stream))
    for (const stream of streams) tell(stream)
    onSaved(streams)
  }

  function tell(stream: Stream): void {
    const waiting = stream.waiters
    stream.waiters = stream.isLost ? [] : waiting.filter(({ seq }) => seq > stream.saved)
    for (const { seq, resolve, reject } of waiting) {
      if (seq <= stream.saved) resolve()
      else if (stream.isLost) reject(new ParleyError('UNAVAILABLE', { retry_after_ms: 1_000 }))
    }
  }

  function savedUpTo(stream: Stream, seq: number): Promise<void> {
    if (seq <= stream.saved) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const giveUp = setTimeout(() => reject(new ParleyError('UNAVAILABLE', { waited_ms: give_up_ms })), give_up_ms)
      const settled = (finish: () => void) => {
        clearTimeout(giveUp)
        finish()
      }
      stream.waiters.push({ seq, resolve: () => settled(resolve), reject: (error) => settled(() => reject(error)) })
    })
  }

  async function flush(): Promise<void> {
    while (saving !== undefined) await saving
  }

  return { save, savedUpTo, flush }
}
