import type { Clock } from '../../core/clock.ts'
import type { Session } from '../../pipeline/session.ts'

/** One agent's hello on one connection, and what it has shown of life since. */
export interface AgentSession {
  session_id: string
  agent_id: string
  session: Session
  /** The tools that it registered itself; undefined = the agent's stored set. */
  tools: ReadonlySet<string> | undefined
  hello_ms: number
  last_beat_ms: number
  unhealthy: boolean
}

/** The agent sessions that live on this node, oldest hello first. */
export function createAgentSessions(clock: Clock) {
  const byAgent = new Map<string, AgentSession[]>()
  const byConnection = new Map<string, AgentSession>()

  /** `hello_ms` as it is stored, for all nodes must find the same session newest. */
  function add(session: Session, { session_id, hello_ms }: { session_id: string; hello_ms: number }): AgentSession {
    remove(session)
    const agent_id = session.principal.id
    const live: AgentSession = {
      session_id,
      agent_id,
      session,
      tools: undefined,
      hello_ms,
      last_beat_ms: clock.now(),
      unhealthy: false,
    }
    byAgent.set(agent_id, [...of(agent_id), live])
    byConnection.set(session.id, live)
    return live
  }

  function remove(session: Session): AgentSession | undefined {
    const gone = byConnection.get(session.id)
    if (gone === undefined) return undefined
    byConnection.delete(session.id)
    const rest = of(gone.agent_id).filter((live) => live !== gone)
    if (rest.length > 0) byAgent.set(gone.agent_id, rest)
    else byAgent.delete(gone.agent_id)
    return gone
  }

  function of(agent_id: string): readonly AgentSession[] {
    return byAgent.get(agent_id) ?? []
  }

  return {
    add,
    remove,
    of,
    on: (session: Session) => byConnection.get(session.id),
    isLive: (agent_id: string, session_id: string) => of(agent_id).some((live) => live.session_id === session_id),
    /** Who gets a call: the newest live session that has the tool. */
    forTool: (agent_id: string, tool: string) =>
      of(agent_id).findLast(({ tools, session }) => session.isOpen() && (tools?.has(tool) ?? true)),
    all: () => [...byConnection.values()],
  }
}

export type AgentSessions = ReturnType<typeof createAgentSessions>
