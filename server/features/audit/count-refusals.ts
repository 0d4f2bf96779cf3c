import { type AuditTypeRow, auditTypes } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { AuditDraft } from '../../pipeline/audit.ts'

/** Many of one kind by one source, as one event. */
export interface Counted {
  draft: AuditDraft
  count: number
  first_ms: number
}

interface Window extends Counted {
  length_ms: number
  cancel(): void
}

const FIRST_WINDOW_MS = 60_000
const LONGEST_WINDOW_MS = 3_600_000
/** Sources and kinds that are told apart at once. One who takes on many faces makes one row of all that is over it. */
const MOST_WINDOWS = 2_000
const OTHERS = ''

/**
 * The first refusal of a kind by a source is told at once. What follows within a window is counted and told at its end as one, and as
 * long as it goes on each window is twice as long as the one before: nobody can flood the trail, and nothing is left out of the count.
 */
export function createRefusalCounter({
  clock,
  bounded,
  tell,
}: {
  clock: Clock
  /** The draft without secrets, and of a size to keep. */
  bounded(draft: AuditDraft): AuditDraft
  tell(counted: Counted): void
}) {
  const windows = new Map<string, Window>()

  function take(draft: AuditDraft): void {
    const own = kindOf(draft)
    const kind = windows.size < MOST_WINDOWS || windows.has(own) ? own : OTHERS
    const known = windows.get(kind)
    if (known === undefined) {
      const first = kind === OTHERS ? others(draft) : bounded(draft)
      tell({ draft: first, count: 1, first_ms: clock.now() })
      open(kind, first, FIRST_WINDOW_MS)
      return
    }
    if (known.count === 0) known.first_ms = clock.now()
    known.count += 1
  }

  function open(kind: string, draft: AuditDraft, length_ms: number): void {
    const cancel = clock.after(length_ms, () => end(kind))
    windows.set(kind, { draft, count: 0, first_ms: clock.now(), length_ms, cancel })
  }

  function end(kind: string): void {
    const window = windows.get(kind)
    windows.delete(kind)
    if (window === undefined || window.count === 0) return
    tell(window)
    open(kind, window.draft, Math.min(window.length_ms * 2, LONGEST_WINDOW_MS))
  }

  /** Tells what was counted so far: the hub closes. */
  function flush(): void {
    for (const [kind, window] of windows) {
      window.cancel()
      windows.delete(kind)
      if (window.count > 0) tell(window)
    }
  }

  return { take, flush }
}

function kindOf({ type, actor, subject, metadata = {} }: AuditDraft): string {
  const row: AuditTypeRow = auditTypes[type]
  const members = (row.counted_by ?? []).map((name) =>
    name === 'subject' ? `${subject.type}:${subject.id}` : String(metadata[name] ?? ''),
  )
  return JSON.stringify([type, actor.type, actor.id, ...members])
}

function others({ type }: AuditDraft): AuditDraft {
  return {
    type: 'refusals.counted',
    actor: { type: 'anonymous', id: 'many' },
    subject: { type: 'hub', id: 'door' },
    metadata: { first_type: type, detail: 'more sources than are told apart at once' },
  }
}
