import type { Clock } from '../../core/clock.ts'
import type { AgentSession, AgentSessions } from './agent-sessions.ts'
import type { AgentModels, AgentSessionDocument } from './model.ts'

export interface ReachDeps {
  models: AgentModels
  sessions: AgentSessions
  clock: Clock
  node_id: string
  /** After so long without a sign of life an agent counts as ill. */
  unhealthy_after_ms: number
}

/** Three renewals: a node that missed so many is dead, and so are the connections it held. */
const HELD_MS = 15_000
const MOST_ROWS = 50

/** Which session gets a call, among those of all nodes. Answers one only if this node holds it: the node that does finds the same. */
export function createReach({ models, sessions, clock, node_id, unhealthy_after_ms }: ReachDeps) {
  const started_ms = clock.now()

  /** The sessions of an agent that other nodes hold. */
  async function elsewhere(agent_id: string): Promise<AgentSessionDocument[]> {
    const rows = await models.sessions.find({ agent_id, live: true }).sort({ seen_at: -1 }).limit(MOST_ROWS).toArray()
    return rows.filter((row) => row.node_id !== node_id && isHeld(row))
  }

  function isHeld({ live, held_at }: AgentSessionDocument): boolean {
    return live && held_at.getTime() > clock.now() - HELD_MS
  }

  /** The newest live session of all nodes that has the tool, when it is here. */
  async function forTool(agent_id: string, tool: string): Promise<AgentSession | undefined> {
    const here = sessions.forTool(agent_id, tool)
    if (here === undefined) return undefined
    const others = await elsewhere(agent_id)
    const isNewest = others.every(({ _id, tools, hello_at }) => {
      if (tools !== null && !tools.includes(tool)) return true
      const ahead_ms = here.hello_ms - hello_at.getTime()
      return ahead_ms > 0 || (ahead_ms === 0 && here.session_id >= _id)
    })
    return isNewest ? here : undefined
  }

  /** Whether the agent beats on another node. */
  async function livesElsewhere(agent_id: string): Promise<boolean> {
    const beaten_ms = clock.now() - unhealthy_after_ms
    return (await elsewhere(agent_id)).some(({ seen_at }) => seen_at.getTime() > beaten_ms)
  }

  /** When a session was last known to have its connection; now, while a living node holds it. */
  async function heldAt(agent_id: string, session_id: string): Promise<number> {
    if (sessions.isLive(agent_id, session_id)) return clock.now()
    const row = await models.sessions.findOne({ _id: session_id })
    if (row === null) return 0
    if (isHeld(row)) return clock.now()
    // While the hub was down nobody could come back, so that time does not count.
    return Math.max(started_ms, row.seen_at.getTime(), row.live ? row.held_at.getTime() : 0)
  }

  /** Says that this node still holds its sessions. To be repeated well within the time after which it counts as dead. */
  async function renew(): Promise<void> {
    const held = sessions.all().map(({ session_id }) => session_id)
    if (held.length === 0) return
    await models.sessions.updateMany({ _id: { $in: held }, node_id }, { $set: { held_at: new Date(clock.now()) } })
  }

  return { forTool, livesElsewhere, heldAt, renew }
}

export type Reach = ReturnType<typeof createReach>
