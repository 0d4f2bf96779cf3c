import { hash } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { type AuditData, type AuditEventDraft, type AuditTypeRow, auditTypes, ParleyError } from '../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../shared/rules/canonical-json.ts'
import { system } from '../../core/access/principal.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import { redactValue } from '../../core/secrets/redact-secrets.ts'
import type { Audit, AuditDraft } from '../../pipeline/audit.ts'
import { willPass } from '../../pipeline/background/retry.ts'
import type { Committed, Draft } from '../../pipeline/log/submission.ts'
import { type Counted, createRefusalCounter } from './count-refusals.ts'

export interface AuditMeter {
  /** An event that found no room while the database was away. */
  dropped(): void
}

/** An event that a person should look at now. */
export interface AuditAlert extends AuditEventDraft {
  event_id: string
  at: string
}

export interface AuditWriterDeps {
  clock: Clock
  meter: AuditMeter
  onTrouble(what: string, cause: unknown): void
  /** Hears of it when it is taken down, whatever the database does. */
  onAlert?(alert: AuditAlert): void
  bounds?: Partial<typeof defaultBounds>
}

/** Where the writer's events go, once there is a log. */
export interface AuditSink {
  /** This node's stream. */
  stream(): string
  submit(draft: Draft): Promise<Committed>
}

interface Entry {
  event_id: string
  at: string
  event: AuditEventDraft
  bytes: number
  /** Where it was first sent: sent again there, it finds itself by its key. */
  stream?: string
}

const defaultBounds = {
  /** What may wait while the database is away. */
  waiting: 10_000,
  waiting_bytes: 8 * 1024 * 1024,
  /** How long closing waits for a database that does not answer. */
  patience_ms: 12_000,
}
const AT_ONCE = 256
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
const METADATA = { characters: 500, members: 30, depth: 4 }
const MOST_METADATA_CHARS = 8_000

/** Takes down what the features tell, in order, and brings it to the log of this node. */
export function createAuditWriter({ clock, meter, onTrouble, onAlert, bounds: given }: AuditWriterDeps) {
  const bounds = { ...defaultBounds, ...given }
  const queue: Entry[] = []
  let queued_bytes = 0
  let dropped: { count: number; first_ms: number } | undefined
  let running: Promise<void> | undefined
  let open: (sink: AuditSink) => void = () => {}
  const opened = new Promise<AuditSink>((resolve) => {
    open = resolve
  })
  const counter = createRefusalCounter({ clock, bounded, tell: enqueue })

  const audit: Audit = {
    record(draft) {
      if ('counted_by' in auditTypes[draft.type]) counter.take(draft)
      else enqueue({ draft: bounded(draft), count: 1, first_ms: clock.now() })
    },
    async recordNow(draft) {
      const entry = toEntry({ draft: bounded(draft), count: 1, first_ms: clock.now() })
      await write(entry, await opened)
      return entry.event_id
    },
  }

  function enqueue(counted: Counted): void {
    const entry = toEntry(counted)
    if (queue.length >= bounds.waiting || queued_bytes + entry.bytes > bounds.waiting_bytes) {
      dropped ??= { count: 0, first_ms: clock.now() }
      dropped.count += counted.count
      meter.dropped()
      return
    }
    queue.push(entry)
    queued_bytes += entry.bytes
    running ??= run()
  }

  function toEntry({ draft, count, first_ms }: Counted): Entry {
    const now_ms = clock.now()
    const data: AuditData = {
      ...{ severity: auditTypes[draft.type].severity, actor: draft.actor, subject: draft.subject },
      ...(draft.severity === undefined ? {} : { severity: draft.severity }),
      ...(draft.correlation_id === undefined ? {} : { correlation_id: draft.correlation_id }),
      ...(draft.causation_id === undefined ? {} : { causation_id: draft.causation_id }),
      ...(draft.key_id === undefined ? {} : { key_id: draft.key_id }),
      ...(draft.task_id === undefined ? {} : { task_id: draft.task_id }),
      ...(draft.agent_ids === undefined ? {} : { agent_ids: [...draft.agent_ids] }),
      metadata: draft.metadata ?? {},
      ...(count === 1 ? {} : { count, first_at: isoTime(first_ms) }),
    }
    const event = { type: draft.type, data }
    const named = { event_id: uuidv7({ msecs: now_ms }), at: isoTime(now_ms) }
    if (isAlert(event)) onAlert?.({ ...named, ...event })
    return { ...named, event, bytes: canonicalJson(event).length }
  }

  /** Until nothing waits: what the log takes leaves the queue, the rest is tried again after a pause. */
  async function run(): Promise<void> {
    const sink = await opened
    for (let pause_ms = FIRST_PAUSE_MS; queue.length > 0; ) {
      const entries = queue.slice(0, AT_ONCE)
      const left = (await Promise.all(entries.map((entry) => tryWrite(entry, sink)))).flatMap((one) => one ?? [])
      queue.splice(0, entries.length, ...left)
      queued_bytes = queue.reduce((sum, { bytes }) => sum + bytes, 0)
      if (left.length === 0) {
        pause_ms = FIRST_PAUSE_MS
        tellDropped()
      } else {
        await pause(pause_ms)
        pause_ms = Math.min(pause_ms * 2, LONGEST_PAUSE_MS)
      }
    }
    // In the same step as the last look at the queue.
    running = undefined
  }

  /** The entry again, when the log could not take it now. */
  async function tryWrite(entry: Entry, sink: AuditSink): Promise<Entry | undefined> {
    try {
      await write(entry, sink)
      return undefined
    } catch (cause) {
      if (willPass(cause)) return entry
      onTrouble(`an audit event ${entry.event.type} was not written`, cause)
      meter.dropped()
      return undefined
    }
  }

  async function write(entry: Entry, sink: AuditSink): Promise<void> {
    entry.stream ??= sink.stream()
    const { event_id: key, at, event, stream, bytes } = entry
    await sink.submit({ stream, actor: system, key, at, hash: hash('sha256', canonicalJson(event)), bytes, decide: () => ({ event }) })
  }

  /** There is room again: the trail says itself what it misses. */
  function tellDropped(): void {
    if (dropped === undefined) return
    const { count, first_ms } = dropped
    dropped = undefined
    const draft: AuditDraft = {
      type: 'audit.dropped',
      actor: { type: 'system', id: system.id },
      subject: { type: 'hub', id: 'audit' },
      metadata: { dropped: count, since: isoTime(first_ms) },
    }
    enqueue({ draft, count: 1, first_ms })
  }

  /** Writes what waits, within the patience. What a database that is away does not take is lost with the process, and said. */
  async function close(): Promise<void> {
    counter.flush()
    if (running === undefined) return
    const patience = new AbortController()
    await Promise.race([running, pause(bounds.patience_ms, patience.signal)])
    patience.abort()
    if (queue.length > 0) onTrouble('audit events were not written', new ParleyError('UNAVAILABLE', { waiting: queue.length }))
  }

  return { ...audit, open: (sink: AuditSink) => open(sink), waiting: () => queue.length, close }
}

export type AuditWriter = ReturnType<typeof createAuditWriter>

function isAlert({ type, data: { severity } }: AuditEventDraft): boolean {
  const row: AuditTypeRow = auditTypes[type]
  return row.alerts === true && (severity === 'security' || severity === 'error')
}

function bounded(draft: AuditDraft): AuditDraft {
  const metadata = redactValue(draft.metadata ?? {}, METADATA) as Record<string, unknown>
  const ids = ({ type, id }: { type: string; id: string }) => ({ type, id: String(redactValue(id, { ...METADATA, characters: 150 })) })
  const isSmall = JSON.stringify(metadata).length <= MOST_METADATA_CHARS
  return {
    ...draft,
    actor: { ...draft.actor, ...ids(draft.actor), type: draft.actor.type },
    subject: ids(draft.subject),
    metadata: isSmall ? metadata : { cut: `larger than ${MOST_METADATA_CHARS} characters` },
  }
}

// A real wait even under a hand-moved clock: it is the database's pace, not the product's time.
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
