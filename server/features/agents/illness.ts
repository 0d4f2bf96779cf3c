import { type Clock, isoTime } from '../../core/clock.ts'
import { isFree } from '../../pipeline/background/retry.ts'
import type { AgentSession } from './agent-sessions.ts'
import type { AgentModels, AgentSessionDocument } from './model.ts'
import type { Reach } from './reach.ts'

interface About {
  agent_id: string
  session_id: string
  since: string
}

export interface IllnessDeps {
  models: AgentModels
  reach: Reach
  clock: Clock
  unhealthy_after_ms: number
  openContracts(agent_id: string): Promise<string[]>
  /** Records it in the contract's room, where it is not so already. */
  markUnhealthy(contract_id: string, about: About): Promise<void>
  markRecovered(contract_id: string, about: About): Promise<void>
}

/** How long a node has to tell one agent's rooms before another one tries. */
const LEASE_MS = 30_000
const MOST_AT_ONCE = 100

/**
 * Says that an agent misses its heartbeats, and that it is back. It concerns the agent, not one session: as long as another session of it
 * beats, nothing is said, and who hangs up by himself is not ill. Each room is told once, for its own log says what it was told; what
 * is begun is finished by another node, for the session's row says so.
 */
export function createIllness({ models, reach, clock, unhealthy_after_ms, openContracts, markUnhealthy, markRecovered }: IllnessDeps) {
  const { sessions } = models
  const started_at = clock.monotonic()

  /** The node that holds the session has noticed. */
  async function silent({ session_id, last_beat_ms }: AgentSession): Promise<void> {
    const row = await sessions.findOne({ _id: session_id })
    if (row !== null) await fallIll(row, last_beat_ms)
  }

  /** One session of the agent hung up: its beats spoke for the others, who may have been silent for long. */
  async function reconsider(agent_id: string): Promise<void> {
    const session_id = await reach.anySession(agent_id)
    const row = session_id === undefined ? null : await sessions.findOne({ _id: session_id })
    if (row !== null) await fallIll(row, row.seen_at.getTime())
  }

  /** Those whose node died with them, wherever that was. Not before everyone who could come back has had the time for it. */
  async function sweep(): Promise<void> {
    if (clock.monotonic() - started_at < unhealthy_after_ms) return
    const now = clock.now()
    const overdue = {
      watched: true as const,
      seen_at: { $lte: new Date(now - unhealthy_after_ms) },
      ...isFree('claimed_until', now, LEASE_MS),
    }
    const rows = await sessions.find(overdue).sort({ seen_at: 1 }).limit(MOST_AT_ONCE).toArray()
    for (const row of rows) await fallIll(row, row.seen_at.getTime())
  }

  async function fallIll({ _id, agent_id, seen_at }: AgentSessionDocument, since_ms: number): Promise<void> {
    const now = clock.now()
    if (await reach.isAlive(agent_id)) {
      // Told of whoever is silent last. What was seen meanwhile goes on being watched.
      await sessions.updateOne({ _id, seen_at: { $eq: seen_at, $lte: new Date(now - unhealthy_after_ms) } }, { $unset: { watched: '' } })
      return
    }
    const claim = { $set: { ill: true as const, claimed_until: new Date(now + LEASE_MS) }, $unset: { expires_at: '' as const } }
    const mine = await sessions.findOneAndUpdate({ _id, seen_at, ...isFree('claimed_until', now, LEASE_MS) }, claim)
    if (mine === null) return
    await tell(agent_id, markUnhealthy, { agent_id, session_id: _id, since: isoTime(since_ms) })
    // Its beat or hello may have come while the rooms were told, and looked at those that were not yet.
    if (await reach.isAlive(agent_id)) await recover(agent_id, _id)
    await sessions.updateOne({ _id, seen_at }, { $unset: { watched: '', claimed_until: '' } })
  }

  /** A sign of life of an agent that may have been told ill. */
  async function recover(agent_id: string, session_id: string): Promise<void> {
    await tell(agent_id, markRecovered, { agent_id, session_id, since: isoTime(clock.now()) })
    // Only now: what a crash leaves untold, the next sign of life tells.
    await sessions.updateMany({ agent_id, ill: true }, { $unset: { ill: '' }, $set: { expires_at: new Date(reach.keptUntil()) } })
  }

  async function recoverIfIll(agent_id: string, session_id: string): Promise<void> {
    const ill = await sessions.findOne({ agent_id, ill: true }, { projection: { _id: 1 } })
    if (ill !== null) await recover(agent_id, session_id)
  }

  async function tell(agent_id: string, mark: IllnessDeps['markUnhealthy'], about: About): Promise<void> {
    for (const contract_id of await openContracts(agent_id)) await mark(contract_id, about)
  }

  return { silent, reconsider, sweep, recover, recoverIfIll }
}

export type Illness = ReturnType<typeof createIllness>
