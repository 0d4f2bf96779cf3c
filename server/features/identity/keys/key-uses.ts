import type { Clock } from '../../../core/clock.ts'
import type { Model } from '../model.ts'

const WRITE_EVERY_MS = 10_000

/** How often each key was used, and when last. Gathered in memory and written now and then: using a key must not cost a write. */
export function createKeyUses({
  model: { agentKeys },
  clock,
  onTrouble,
}: {
  model: Model
  clock: Clock
  onTrouble(what: string, cause: unknown): void
}) {
  let gathered = new Map<string, { uses: number; last_ms: number }>()
  let cancel: (() => void) | undefined
  let writing = Promise.resolve()

  function note(key_id: string): void {
    const known = gathered.get(key_id)
    gathered.set(key_id, { uses: (known?.uses ?? 0) + 1, last_ms: clock.now() })
    cancel ??= clock.after(WRITE_EVERY_MS, () => void write())
  }

  function write(): Promise<void> {
    cancel?.()
    cancel = undefined
    const news = gathered
    gathered = new Map()
    if (news.size === 0) return writing
    const updates = [...news].map(([_id, { uses, last_ms }]) => ({
      updateOne: { filter: { _id }, update: { $inc: { uses }, $max: { last_used_at: new Date(last_ms) } } },
    }))
    // Lost when it fails: it is a count, not a proof, and to keep it would let it grow while the database is away.
    writing = writing
      .then(() => agentKeys.bulkWrite(updates, { ordered: false }))
      .then(
        () => undefined,
        (cause: unknown) => onTrouble('the uses of keys were not counted', cause),
      )
    return writing
  }

  return { note, close: write }
}

export type KeyUses = ReturnType<typeof createKeyUses>
