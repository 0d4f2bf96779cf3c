import type { Clock } from '../../core/clock.ts'
import type { Session } from '../../pipeline/session.ts'

/** One agent's hello on one connection, and what it has shown of life since. */
export interface AgentSession {
  session_id: string
  agent_id: string
  session: Session
  /** The tools that it registered itself, or else those that its key allows; undefined = the agent's stored set. */
  tools: ReadonlySet<string> | undefined
  hello_ms: number
  /** The last sign of life, as it is told; and as it is measured, which no change of the clock moves. */
  last_beat_ms: number
  beaten_at: number
}

/** The agent sessions that live on this node, oldest hello first. A session has one connection: the one of its last hello. */
export function createAgentSessions(clock: Clock) {
  const byAgent = new Map<string, AgentSession[]>()
  const byConnection = new Map<string, AgentSession>()

  /** `hello_ms` as it is stored, for all nodes must find the same session newest. Answers what it replaces, of this connection and of the session. */
  function add(session: Session, { session_id, hello_ms, tools }: Pick<AgentSession, 'session_id' | 'hello_ms' | 'tools'>) {
    const agent_id = session.principal.id
    const replaced = [remove(session), ...take({ agent_id, session_id, hello_ms })].filter((gone) => gone !== undefined)
    const live: AgentSession = {
      ...{ session_id, agent_id, session, hello_ms, tools },
      last_beat_ms: clock.now(),
      beaten_at: clock.monotonic(),
    }
    byAgent.set(agent_id, [...of(agent_id), live])
    byConnection.set(session.id, live)
    return { live, replaced }
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

  /** The session was taken up by another connection: those that had it before have none until they say hello again. */
  function take({ agent_id, session_id, hello_ms }: TakenSession): AgentSession[] {
    const stale = of(agent_id).filter((live) => live.session_id === session_id && live.hello_ms <= hello_ms)
    return stale.flatMap((live) => remove(live.session) ?? [])
  }

  function of(agent_id: string): readonly AgentSession[] {
    return byAgent.get(agent_id) ?? []
  }

  return {
    add,
    remove,
    take,
    of,
    on: (session: Session) => byConnection.get(session.id),
    isLive: (agent_id: string, session_id: string) => of(agent_id).some((live) => live.session_id === session_id),
    /**
     * Who gets a call: the newest live session that has the tool. One that registered none has the agent's stored set, where no other has
     * the tool: a program that only reads, under the same key, must not take the calls of the one that works.
     */
    forTool: (agent_id: string, tool: string) => {
      const open = of(agent_id).filter(({ session }) => session.isOpen())
      return open.findLast(({ tools }) => tools?.has(tool)) ?? open.findLast(({ tools }) => tools === undefined)
    },
    all: () => [...byConnection.values()],
  }
}

interface TakenSession {
  agent_id: string
  session_id: string
  /** The hello that took it; later ones keep it. */
  hello_ms: number
}

export type AgentSessions = ReturnType<typeof createAgentSessions>
