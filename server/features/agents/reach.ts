import { LRUCache } from 'lru-cache'
import type { Limits } from '../../../shared/protocol/index.ts'
import { countedAs } from '../../core/access/principal.ts'
import type { Clock } from '../../core/clock.ts'
import { createSharedReads } from '../../pipeline/store/shared-reads.ts'
import type { AgentSession, AgentSessions } from './agent-sessions.ts'
import type { AgentModels, AgentSessionDocument } from './model.ts'

export interface ReachDeps {
  models: AgentModels
  sessions: AgentSessions
  clock: Clock
  node_id: string
  limits: Pick<Limits, 'unhealthy_after_ms' | 'call_timeout_max_ms'>
  /** Another connection, of another node, has taken the session up. */
  onTaken(live: AgentSession): void
}

/** Three renewals: a node that missed so many is dead, and so are the connections it held. */
const HELD_MS = 15_000
const MOST_ROWS = 50
const DAY_MS = 86_400_000
const MOST_LOST = 10_000

/** Which session gets a call, among those of all nodes. Answers one only if this node holds it: the node that does finds the same. */
export function createReach({ models, sessions, clock, node_id, limits, onTaken }: ReachDeps) {
  const started_ms = clock.now()
  /** When connections of sessions were lost here, as no change of the clock moves it. */
  const lost = new LRUCache<string, number>({ max: MOST_LOST })

  /** Every call of an agent asks. */
  const readLive = createSharedReads({
    nameOf: (agent_id: string) => agent_id,
    read: (agent_id) => models.sessions.find({ agent_id, live: true }).sort({ seen_at: -1 }).limit(MOST_ROWS).toArray(),
  })

  /** The sessions of an agent that other nodes hold. */
  async function elsewhere(agent_id: string): Promise<AgentSessionDocument[]> {
    return (await readLive(agent_id)).filter((row) => row.node_id !== node_id && isHeld(row))
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
      const hasSaid = here.tools !== undefined
      if (hasSaid !== (tools !== null)) return hasSaid
      const ahead_ms = here.hello_ms - hello_at.getTime()
      return ahead_ms > 0 || (ahead_ms === 0 && here.session_id >= _id)
    })
    return isNewest ? here : undefined
  }

  /** Whether any session of the agent shows life, on whichever node. */
  async function isAlive(agent_id: string): Promise<boolean> {
    const beaten_at = clock.monotonic() - limits.unhealthy_after_ms
    if (sessions.of(agent_id).some((live) => live.beaten_at > beaten_at)) return true
    const seen_ms = clock.now() - limits.unhealthy_after_ms
    return (await elsewhere(agent_id)).some(({ seen_at }) => seen_at.getTime() > seen_ms)
  }

  /** A session of the agent that has its connection, whether it shows life or not. */
  async function anySession(agent_id: string): Promise<string | undefined> {
    return sessions.of(agent_id).at(-1)?.session_id ?? (await elsewhere(agent_id)).at(0)?._id
  }

  /** The sessions of an agent that were opened, or were renewed here, with the key or one that counts as it. */
  async function ofKey(agent_id: string, key_id: string): Promise<ReadonlySet<string>> {
    const rows = await models.sessions.find({ agent_id, $or: [{ counted_as: key_id }, { key_id }] }, { projection: { _id: 1 } }).toArray()
    const here = sessions.of(agent_id).filter(({ session }) => countedAs(session.principal) === key_id)
    return new Set([...rows.map(({ _id }) => _id), ...here.map(({ session_id }) => session_id)])
  }

  /** When a session was last known to have its connection; now, while a living node holds it. */
  async function heldAt(agent_id: string, session_id: string): Promise<number> {
    if (sessions.isLive(agent_id, session_id)) return clock.now()
    const lost_at = lost.get(session_id)
    const row = await models.sessions.findOne({ _id: session_id })
    if (row === null) return 0
    if (isHeld(row)) return clock.now()
    if (lost_at !== undefined && row.node_id === node_id) return clock.now() - (clock.monotonic() - lost_at)
    // While the hub was down nobody could come back, so that time does not count.
    return Math.max(started_ms, row.seen_at.getTime(), (row.live ? row.held_at : row.lost_at)?.getTime() ?? 0)
  }

  /** Says that this node still holds its sessions. To be repeated well within the time after which it counts as dead. */
  async function renew(): Promise<void> {
    const held = new Map(sessions.all().map((live) => [live.session_id, live]))
    if (held.size === 0) return
    const mine = { _id: { $in: [...held.keys()] }, node_id }
    const held_at = new Date(clock.now())
    const well = { held_at, expires_at: new Date(keptUntil()) }
    const renewed = await models.sessions.updateMany({ ...mine, ill: { $exists: false } }, { $set: well })
    const ill =
      renewed.matchedCount === held.size
        ? 0
        : (await models.sessions.updateMany({ ...mine, ill: true }, { $set: { held_at } })).matchedCount
    // The word of the node that has them now may have been lost.
    if (renewed.matchedCount + ill < held.size) await letGoOfTaken([...held.keys()])
  }

  /** Another node says that it has taken up a session. */
  async function heardTaken({ agent_id, session_id }: { agent_id: string; session_id: string }): Promise<void> {
    if (sessions.isLive(agent_id, session_id)) await letGoOfTaken([session_id])
  }

  /** Of two hellos for one session the row says which came last. */
  async function letGoOfTaken(session_ids: string[]): Promise<void> {
    const taken = { _id: { $in: session_ids }, node_id: { $ne: node_id } }
    const rows = await models.sessions.find(taken, { projection: { agent_id: 1, hello_at: 1 } }).toArray()
    for (const { _id, agent_id, hello_at } of rows) {
      for (const live of sessions.take({ agent_id, session_id: _id, hello_ms: hello_at.getTime() })) onTaken(live)
    }
  }

  /** Until when a session that is held now is kept: no call that it started can still be open then. */
  function keptUntil(): number {
    return clock.now() + Math.max(limits.call_timeout_max_ms, DAY_MS) + DAY_MS
  }

  return {
    ...{ forTool, ofKey, isAlive, anySession, heldAt, renew, heardTaken, keptUntil },
    lost: (session_id: string) => void lost.set(session_id, clock.monotonic()),
  }
}

export type Reach = ReturnType<typeof createReach>
