import { v7 as uuidv7 } from 'uuid'
import { type Frame, type Limits, ParleyError, PROTOCOL, PROTOCOLS_SPOKEN, type Welcome } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { byOf, type Principal } from '../../core/principal.ts'
import type { Background } from '../../pipeline/background.ts'
import type { SessionCommand } from '../../pipeline/command.ts'
import type { Session } from '../../pipeline/session.ts'
import type { AgentSessions } from './agent-sessions.ts'
import type { Health } from './health.ts'
import type { AgentModels } from './model.ts'

export interface HelloDeps {
  models: AgentModels
  sessions: AgentSessions
  health: Health
  clock: Clock
  limits: Limits
  /** The open contracts of a principal, with the head of each log. */
  openContracts(principal_id: string): Promise<Welcome['contracts']>
  /** Throws UNAUTHENTICATED when the credential has ended, by the store. */
  requireGood(principal: Principal): Promise<void>
  /** Sends the agent's open calls again: it may have missed them, and drops those that it has. */
  sendOpenCalls(agent_ids: string[]): Promise<void>
  /** The session's connection was lost; its running calls are abandoned unless it comes back. */
  onLost(agent_id: string, session_id: string): Promise<void>
  background: Background
  /** Names this node among those of one database. */
  node_id: string
}

/** An agent says who it is and which protocol it speaks; from here on it can register tools and be called. */
export function createSayHello(deps: HelloDeps): SessionCommand<'agent.hello'> {
  const { models, sessions, health, clock, limits, background } = deps

  async function handle(session: Session, frame: Frame<'agent.hello'>) {
    const { protocol } = frame
    if (!PROTOCOLS_SPOKEN.includes(protocol)) {
      const detail = `The hub speaks protocol ${PROTOCOLS_SPOKEN.join(', ')}, not ${protocol}`
      throw new ParleyError('PROTOCOL_UNSUPPORTED', { detail, protocols: PROTOCOLS_SPOKEN })
    }
    if (session.principal.kind !== 'agent')
      throw new ParleyError('PERMISSION_DENIED', { detail: 'Only an agent says hello; a human joins rooms at once', allowed: ['agent'] })
    const { principal } = session
    await deps.requireGood(principal)
    const hello_ms = clock.now()
    const session_id = await takeUp(principal.id, frame, hello_ms)
    const contracts = await deps.openContracts(principal.id)
    const live = sessions.add(session, { session_id, hello_ms })
    health.watch(live)
    session.onClose((graceful) => lose(session, graceful))

    const welcome: Welcome = {
      protocol: PROTOCOL,
      session_id,
      principal: { ...byOf(principal), name: principal.name },
      heartbeat_ms: limits.heartbeat_ms,
      limits,
      contracts,
    }
    return {
      ack: () => welcome,
      afterwards: () => {
        session.send('core.welcome', welcome)
        const open = contracts.map(({ contract_id }) => contract_id)
        background.run('a recovery was not recorded', health.beat(live, open))
        background.run('open calls were not sent again', deps.sendOpenCalls([principal.id]))
      },
    }
  }

  /** The session of before when it is this agent's, else a new one. */
  async function takeUp(agent_id: string, { resume, agent: { name, version } }: Frame<'agent.hello'>, hello_ms: number): Promise<string> {
    const at = new Date(hello_ms)
    const held = { node_id: deps.node_id, live: true, seen_at: at, hello_at: at, held_at: at }
    const about = { agent_name: name, agent_version: version, tools: null, ...held }
    if (resume !== undefined) {
      const { matchedCount } = await models.sessions.updateOne({ _id: resume, agent_id }, { $set: about })
      if (matchedCount === 1) return resume
    }
    const _id = uuidv7({ msecs: hello_ms })
    await models.sessions.insertOne({ _id, agent_id, ...about, started_at: at })
    return _id
  }

  function lose(session: Session, graceful: boolean): void {
    const gone = sessions.remove(session)
    if (gone === undefined) return
    health.lose(gone, graceful)
    const { agent_id, session_id } = gone
    if (sessions.isLive(agent_id, session_id)) return
    // Only while it is this node's: on another one it may have come back already.
    const mine = { _id: session_id, node_id: deps.node_id }
    const recorded = models.sessions.updateOne(mine, { $set: { seen_at: new Date(clock.now()), live: false } })
    background.run(
      'a lost session was not recorded',
      recorded.then(() => deps.onLost(agent_id, session_id)),
    )
  }

  return { kind: 'session', type: 'agent.hello', handle }
}
