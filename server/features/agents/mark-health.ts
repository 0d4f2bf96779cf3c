import { ParleyError } from '../../../shared/protocol/index.ts'
import type { RecordedCommand } from '../../pipeline/command.ts'

/** The hub notes that the agent misses its heartbeats. Refused where it is noted already, and in an ended contract. */
export const markUnhealthy: RecordedCommand<'agent.mark_unhealthy'> = {
  kind: 'recorded',
  type: 'agent.mark_unhealthy',
  keyOf: ({ session_id, since }) => `unhealthy:${session_id}:${since}`,
  decide: (room, { agent_id, session_id, since }) => {
    if (room.contract?.state !== 'open' || room.agent.health === 'unhealthy')
      throw new ParleyError('CONTRACT_ENDED', { health: room.agent.health })
    return { event: { type: 'agent.unhealthy', data: { agent_id, session_id, since } } }
  },
  ack: () => ({}),
}

/** The hub notes that the agent is back. Refused where it was never noted missing. */
export const markRecovered: RecordedCommand<'agent.mark_recovered'> = {
  kind: 'recorded',
  type: 'agent.mark_recovered',
  keyOf: ({ session_id, since }) => `recovered:${session_id}:${since}`,
  decide: (room, { agent_id, session_id, since }) => {
    if (room.contract?.state !== 'open' || room.agent.health === 'ok')
      throw new ParleyError('CONTRACT_ENDED', { health: room.agent.health })
    return { event: { type: 'agent.recovered', data: { agent_id, session_id, since } } }
  },
  ack: () => ({}),
}
