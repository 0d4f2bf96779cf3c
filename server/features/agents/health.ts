import { type Clock, isoTime } from '../../core/clock.ts'
import type { Background } from '../../pipeline/background.ts'
import type { AgentSession, AgentSessions } from './agent-sessions.ts'

export interface HealthDeps {
  sessions: AgentSessions
  clock: Clock
  unhealthy_after_ms: number
  openContracts(agent_id: string): Promise<string[]>
  /** Records it in the contract's room, where it is not so already. */
  markUnhealthy(contract_id: string, about: { agent_id: string; session_id: string; since: string }): Promise<void>
  markRecovered(contract_id: string, about: { agent_id: string; session_id: string; since: string }): Promise<void>
  background: Background
  /** Whether the agent has a session on another node that shows life. */
  livesElsewhere(agent_id: string): Promise<boolean>
}

/**
 * Says that an agent misses its heartbeats, and that it is back. It concerns the agent, not one connection: as long as another
 * session of it beats, nothing is said. An agent that hangs up by itself is not ill.
 */
export function createHealth(deps: HealthDeps) {
  const { sessions, clock, unhealthy_after_ms } = deps
  const watches = new Map<AgentSession, () => void>()

  function watch(live: AgentSession): void {
    watches.get(live)?.()
    watches.set(
      live,
      clock.after(live.last_beat_ms + unhealthy_after_ms - clock.now(), () => check(live)),
    )
  }

  function check(live: AgentSession): void {
    if (!watches.has(live)) return
    if (clock.now() < live.last_beat_ms + unhealthy_after_ms) {
      watch(live)
      return
    }
    watches.delete(live)
    live.unhealthy = true
    const others = sessions.of(live.agent_id).some((other) => other !== live && !other.unhealthy)
    if (!others) miss(live)
  }

  function miss(live: AgentSession): void {
    const unlessElsewhere = async () => {
      if (!(await deps.livesElsewhere(live.agent_id))) await tell(live, deps.markUnhealthy)
    }
    deps.background.run('a missed heartbeat was not recorded', unlessElsewhere())
  }

  /** A sign of life. The rooms of a healthy agent are not asked, but for those that are named (after a hello they may hold an old illness). */
  async function beat(live: AgentSession, recheck: readonly string[] = []): Promise<void> {
    live.last_beat_ms = clock.now()
    const wasIll = live.unhealthy
    live.unhealthy = false
    if (!watches.has(live)) watch(live)
    if (wasIll) await tell(live, deps.markRecovered)
    else for (const contract_id of recheck) await deps.markRecovered(contract_id, about(live, isoTime(clock.now())))
  }

  /** A lost connection goes on being watched: it must be missed when it does not come back. */
  function lose(live: AgentSession, graceful: boolean): void {
    if (!graceful) return
    watches.get(live)?.()
    watches.delete(live)
    // Its beats spoke for the others; those may have been silent for long.
    const rest = sessions.of(live.agent_id)
    const newest = rest.at(-1)
    if (newest !== undefined && rest.every(({ unhealthy }) => unhealthy)) miss(newest)
  }

  async function tell(live: AgentSession, mark: HealthDeps['markUnhealthy']): Promise<void> {
    const since = isoTime(mark === deps.markUnhealthy ? live.last_beat_ms : clock.now())
    for (const contract_id of await deps.openContracts(live.agent_id)) await mark(contract_id, about(live, since))
  }

  function about({ agent_id, session_id }: AgentSession, since: string) {
    return { agent_id, session_id, since }
  }

  function close(): void {
    for (const cancel of watches.values()) cancel()
    watches.clear()
  }

  return { watch, beat, lose, close }
}

export type Health = ReturnType<typeof createHealth>
