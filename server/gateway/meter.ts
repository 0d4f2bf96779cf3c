import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { LogMeter } from '../pipeline/log/log-meter.ts'
import { processMetrics } from './process-metrics.ts'

/** What the hub counts of itself, for `GET /metrics` (Prometheus text). No label holds an id: their number must stay small. */
export interface Meter extends LogMeter {
  frame(type: string, outcome: string): void
  resume(kind: 'fresh' | 'replay' | 'snapshot' | 'reset'): void
  slowConsumer(step: 'shed' | 'lagging' | 'closed'): void
  closing(code: number): void
  /** Of an address or in all; `unheard` = not even told. */
  refusedConnection(reason: 'address' | 'all' | 'unheard'): void
  audit: {
    dropped(): void
    alert(type: string): void
    watch(waiting: () => number): void
  }
  /** Read when the metrics are asked for. */
  watch(gauges: Gauges): void
  text(): Promise<{ body: string; type: string }>
}

export interface Gauges {
  connections(): number
  queued_bytes(): number
  waiting_frames(): number
  /** What is kept in memory of rooms and of running streams. */
  held(): { rooms: number; streams: number; bytes: number }
  /** Background work that was given up, by kind. */
  dead_letters(): Promise<{ timer: number; reactor: number }>
  /** Frames written straight to TCP, and handed to engine.io's queue. */
  written(): { direct: number; queued: number }
}

const COUNT_EVERY_MS = 1_000
const MILLISECONDS = [0.5, 1, 2, 4, 8, 15, 30, 60, 125, 250, 500, 1_000, 5_000]

export function createMeter(): Meter {
  const registers = [new Registry()]
  const [registry = new Registry()] = registers
  const ofProcess = processMetrics()
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `parley_${name}`, help, labelNames, registers })
  const histogram = (name: string, help: string, buckets: number[]) => new Histogram({ name: `parley_${name}`, help, buckets, registers })

  const commitMs = histogram('commit_duration_ms', 'Time of one group commit', MILLISECONDS)
  const commitEvents = histogram('commit_events', 'Events of one group commit', [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000])
  const deliverMs = histogram(
    'deliver_duration_ms',
    'Time from the commit of a batch to its hand-over to all connections of the node',
    MILLISECONDS,
  )
  const conflicts = counter('commit_conflicts_total', 'Commits that lost the race for a place and were decided again')
  const duplicates = counter('duplicate_frames_total', 'Frames that were recorded already')
  const repairs = counter('repairs_total', 'Holes in what other nodes said, read from the log')
  const reads = counter('log_reads_total', 'Reads of a piece of a log, by its kind and whether they gave any event', ['stream', 'gave'])
  const frames = counter('frames_total', 'Frames by type and outcome', ['type', 'outcome'])
  const resumes = counter('joins_total', 'Joins by the kind of their replay', ['kind'])
  const slow = counter('slow_consumer_steps_total', 'Steps of the ladder for clients that do not keep up', ['step'])
  const refusedConnections = counter('connections_refused_total', 'Connections refused for their number', ['reason'])
  const closings = counter('closings_total', 'Connections that the hub closed, by code', ['code'])

  const droppedAudits = counter('audit_dropped_total', 'Audit events that found no room while the database was away')
  const alerts = counter('audit_alerts_total', 'Audit events that a person should look at now, by type', ['type'])
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `parley_${name}`,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })

  return {
    commit: ({ ms, events }) => {
      commitMs.observe(ms)
      commitEvents.observe(events)
    },
    delivered: (ms) => deliverMs.observe(ms),
    conflict: () => conflicts.inc(),
    read: (stream, events) => reads.inc({ stream, gave: events > 0 ? 'events' : 'nothing' }),
    duplicate: () => duplicates.inc(),
    repair: () => repairs.inc(),
    frame: (type, outcome) => frames.inc({ type, outcome }),
    resume: (kind) => resumes.inc({ kind }),
    slowConsumer: (step) => slow.inc({ step }),
    refusedConnection: (reason) => refusedConnections.inc({ reason }),
    closing: (code) => closings.inc({ code: String(code) }),
    audit: {
      dropped: () => droppedAudits.inc(),
      alert: (type) => alerts.inc({ type }),
      watch: (waiting) => gauge('audit_waiting', 'Audit events that wait for the database', waiting),
    },
    watch: ({ connections, queued_bytes, waiting_frames, held, dead_letters, written }) => {
      gauge('connections', 'Open connections', connections)
      gauge('queued_bytes', 'Bytes that clients have not read yet', queued_bytes)
      gauge('waiting_frames', 'Frames that wait for the database', waiting_frames)
      gauge('rooms', 'Rooms that are kept in memory', () => held().rooms)
      gauge('streams', 'Streams of running calls that are kept in memory', () => held().streams)
      gauge('stream_bytes', 'Bytes of these streams', () => held().bytes)
      let counted_at = Number.NEGATIVE_INFINITY
      new Gauge({
        name: 'parley_dead_letters',
        help: 'Background work that was given up and waits for a person, by kind',
        labelNames: ['kind'],
        registers,
        async collect() {
          // Whoever asks more often gets the last count: the route is open, and each count is a look into the database.
          if (performance.now() - counted_at < COUNT_EVERY_MS) return
          counted_at = performance.now()
          // A database that is away must not hide the other numbers.
          const counts = await dead_letters().catch(() => ({}))
          for (const [kind, count] of Object.entries(counts)) this.set({ kind }, count)
        },
      })
      new Counter({
        name: 'parley_written_total',
        help: 'Frames to clients by their way: written straight to TCP, or queued by engine.io',
        labelNames: ['way'],
        registers,
        collect() {
          this.reset()
          for (const [way, frames] of Object.entries(written())) this.inc({ way }, frames)
        },
      })
    },
    text: async () => ({ body: `${await ofProcess.metrics()}\n${await registry.metrics()}`, type: registry.contentType }),
  }
}
