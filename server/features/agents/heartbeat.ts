import { type FrameAck, ParleyError } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { SessionCommand } from '../../pipeline/command.ts'
import type { AgentSessions } from './agent-sessions.ts'
import type { Health } from './health.ts'
import type { AgentModels } from './model.ts'

export interface HeartbeatDeps {
  models: AgentModels
  sessions: AgentSessions
  health: Health
  clock: Clock
  heads(agent_id: string): Promise<FrameAck<'agent.heartbeat'>['heads']>
}

/** A sign of life; the answer says where the agent's rooms stand, so that it notices what it missed. It never revives what ended. */
export function createHeartbeat({ models, sessions, health, clock, heads }: HeartbeatDeps): SessionCommand<'agent.heartbeat'> {
  return {
    kind: 'session',
    type: 'agent.heartbeat',
    async handle(session) {
      const live = sessions.on(session)
      if (live === undefined) throw new ParleyError('HELLO_REQUIRED')
      await health.beat(live)
      await models.sessions.updateOne({ _id: live.session_id }, { $set: { seen_at: new Date(clock.now()) } })
      const answer = { heads: await heads(live.agent_id) }
      return { ack: () => answer }
    },
  }
}
