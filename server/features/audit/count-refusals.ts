import { type AuditTypeRow, auditTypes } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { AuditDraft } from '../../pipeline/audit.ts'
import { createCountingWindows } from '../../pipeline/background/counting-windows.ts'

/** Many of one kind by one source, as one event. */
export interface Counted {
  draft: AuditDraft
  count: number
  first_ms: number
}

/** Sources and kinds that are told apart at once. One who takes on many faces makes one row of all that is over it. */
const MOST_WINDOWS = 2_000
const OTHERS = ''

/** The first refusal of a kind by a source is told at once, and the others as a count: see `createCountingWindows`. */
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
  const windows = createCountingWindows<AuditDraft>({
    clock,
    tell: ({ item, count, first_ms }) => tell({ draft: item, count, first_ms }),
  })

  function take(draft: AuditDraft): void {
    const own = kindOf(draft)
    const kind = windows.size() < MOST_WINDOWS || windows.has(own) ? own : OTHERS
    windows.take(kind, (known) => known ?? (kind === OTHERS ? others(draft) : bounded(draft)))
  }

  return { take, flush: windows.flush }
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
