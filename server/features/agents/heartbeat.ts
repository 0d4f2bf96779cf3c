import { type FrameAck, ParleyError } from '../../../shared/protocol/index.ts'
import { hasScope } from '../../core/access/scopes.ts'
import type { Clock } from '../../core/clock.ts'
import type { SessionCommand } from '../../pipeline/command.ts'
import { createSharedReads } from '../../pipeline/store/shared-reads.ts'
import type { AgentSession, AgentSessions } from './agent-sessions.ts'
import type { Health } from './health.ts'
import type { Illness } from './illness.ts'
import type { AgentModels } from './model.ts'

export interface HeartbeatDeps {
  models: AgentModels
  sessions: AgentSessions
  health: Health
  illness: Illness
  clock: Clock
  /** Tells the session which of the calls that it works on are over. */
  tellOver(live: AgentSession, call_ids: readonly string[]): Promise<void>
  heads(agent_id: string): Promise<FrameAck<'agent.heartbeat'>['heads']>
}

/**
 * A sign of life; the answer says where the agent's rooms stand, and which of the calls that it names are over, so that it notices what it
 * missed. It never revives what ended. Of those that come faster than the store takes them, the ones that wait are noted as one.
 */
export function createHeartbeat({
  models,
  sessions,
  health,
  illness,
  clock,
  tellOver,
  heads,
}: HeartbeatDeps): SessionCommand<'agent.heartbeat'> {
  const note = createSharedReads({ nameOf: ({ session_id }: AgentSession) => session_id, read: noteBeat })

  async function noteBeat({ agent_id, session_id }: AgentSession): Promise<void> {
    const at = new Date(clock.now())
    const seen = { $set: { seen_at: at, held_at: at, watched: true as const } }
    const before = await models.sessions.findOneAndUpdate({ _id: session_id }, seen, { projection: { ill: 1 } })
    // Whichever node told it: the row says so before the first room hears of it.
    if (before?.ill) await illness.recover(agent_id, session_id)
  }

  return {
    kind: 'session',
    type: 'agent.heartbeat',
    async handle(session, { calls = [] }) {
      const live = sessions.on(session)
      if (live === undefined) throw new ParleyError('HELLO_REQUIRED')
      health.beat(live)
      await note(live)
      // Before the answer: what it does not hear of by then goes on.
      if (calls.length > 0 && hasScope(session.principal, 'tools')) await tellOver(live, calls)
      const answer = { heads: hasScope(session.principal, 'rooms:read') ? await heads(live.agent_id) : {} }
      return { ack: () => answer }
    },
  }
}
