import type { Clock } from '../../core/clock.ts'
import type { Background } from '../../pipeline/background/background.ts'
import type { AgentSession } from './agent-sessions.ts'

export interface HealthDeps {
  clock: Clock
  unhealthy_after_ms: number
  /** The session showed no sign of life for so long. */
  onSilence(live: AgentSession): Promise<void>
  background: Background
}

/** Notices at its very moment that a session of this node misses its heartbeats, also one that lost its connection. */
export function createHealth({ clock, unhealthy_after_ms, onSilence, background }: HealthDeps) {
  const watches = new Map<AgentSession, () => void>()

  function watch(live: AgentSession): void {
    watches.get(live)?.()
    watches.set(
      live,
      clock.after(live.beaten_at + unhealthy_after_ms - clock.monotonic(), () => check(live)),
    )
  }

  function check(live: AgentSession): void {
    if (clock.monotonic() < live.beaten_at + unhealthy_after_ms) {
      watch(live)
      return
    }
    watches.delete(live)
    background.run('a missed heartbeat was not recorded', onSilence(live))
  }

  function beat(live: AgentSession): void {
    live.last_beat_ms = clock.now()
    live.beaten_at = clock.monotonic()
    if (!watches.has(live)) watch(live)
  }

  /** It hung up, or another connection has it. */
  function forget(live: AgentSession): void {
    watches.get(live)?.()
    watches.delete(live)
  }

  function close(): void {
    for (const cancel of watches.values()) cancel()
    watches.clear()
  }

  return { watch, beat, forget, close }
}

export type Health = ReturnType<typeof createHealth>
