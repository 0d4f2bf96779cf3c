import { v7 as uuidv7 } from 'uuid'
import { type Frame, type Limits, ParleyError, PROTOCOL, PROTOCOLS_SPOKEN, type Welcome } from '../../../shared/protocol/index.ts'
import { byOf, countedAs, type Principal } from '../../core/access/principal.ts'
import { hasScope } from '../../core/access/scopes.ts'
import { toolsOf } from '../../core/access/tools-of.ts'
import type { Clock } from '../../core/clock.ts'
import type { Background } from '../../pipeline/background/background.ts'
import type { SessionCommand } from '../../pipeline/command.ts'
import type { Session } from '../../pipeline/session.ts'
import type { AgentSession, AgentSessions } from './agent-sessions.ts'
import type { Health } from './health.ts'
import type { Illness } from './illness.ts'
import type { AgentModels } from './model.ts'

export interface HelloDeps {
  models: AgentModels
  sessions: AgentSessions
  health: Health
  illness: Illness
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
  /** Until when a session is kept that is held now. */
  keptUntil(): number
  noteLoss(session_id: string): void
  /** Tells the other nodes that the session has its connection here now. */
  tellTaken(taken: { agent_id: string; session_id: string }): void
  background: Background
  /** Names this node among those of one database. */
  node_id: string
}

/** An agent says who it is and which protocol it speaks; from here on it can register tools and be called. */
export function createSayHello(deps: HelloDeps): SessionCommand<'agent.hello'> {
  const { models, sessions, health, illness, clock, limits, background } = deps
  const followed = new WeakSet<Session>()

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
    const session_id = await takeUp(session, frame, hello_ms)
    const contracts = hasScope(principal, 'rooms:read') ? await deps.openContracts(principal.id) : []
    const allowed = toolsOf(principal)
    const { live, replaced } = sessions.add(session, { session_id, hello_ms, tools: allowed === null ? undefined : new Set(allowed) })
    for (const gone of replaced) {
      health.forget(gone)
      // This connection had another session, and has taken up this one: that other one hung up.
      if (gone.session_id !== session_id) end(gone, { graceful: true })
    }
    health.watch(live)
    if (!followed.has(session)) session.onClose((graceful) => lose(session, graceful))
    followed.add(session)

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
        background.run('a recovery was not recorded', illness.recoverIfIll(principal.id, session_id))
        background.run('open calls were not sent again', deps.sendOpenCalls([principal.id]))
      },
    }
  }

  /** The session that it names when that is this agent's; else the one that this connection has; else a new one. */
  async function takeUp(session: Session, { resume, agent: { name, version } }: Frame<'agent.hello'>, hello_ms: number): Promise<string> {
    const { id: agent_id } = session.principal
    const at = new Date(hello_ms)
    const held = { node_id: deps.node_id, live: true, watched: true as const, seen_at: at, hello_at: at, held_at: at }
    const tools = toolsOf(session.principal)
    const about = { agent_name: name, agent_version: version, tools, ...keyOf(session.principal), ...held }
    for (const _id of [resume, sessions.on(session)?.session_id]) {
      if (_id === undefined || !(await mayTakeUp(_id, session.principal))) continue
      const { matchedCount } = await models.sessions.updateOne({ _id, agent_id }, { $set: about })
      if (matchedCount === 0) continue
      deps.tellTaken({ agent_id, session_id: _id })
      return _id
    }
    const _id = uuidv7({ msecs: hello_ms })
    await models.sessions.insertOne({ _id, agent_id, ...about, started_at: at, expires_at: new Date(deps.keptUntil()) })
    return _id
  }

  /** With a session come its running calls: a key that is bound to tools takes up none that was open to others. */
  async function mayTakeUp(_id: string, principal: Principal): Promise<boolean> {
    const bound = toolsOf(principal)
    if (bound === null) return true
    const row = await models.sessions.findOne({ _id, agent_id: principal.id }, { projection: { tools: 1 } })
    return row?.tools?.every((tool) => bound.includes(tool)) ?? false
  }

  function lose(session: Session, graceful: boolean): void {
    const gone = sessions.remove(session)
    if (gone === undefined) return
    // A lost connection goes on being watched: it must be missed when it does not come back.
    if (graceful) health.forget(gone)
    end(gone, { graceful })
  }

  function end({ agent_id, session_id }: AgentSession, { graceful }: { graceful: boolean }): void {
    if (sessions.isLive(agent_id, session_id)) return
    deps.noteLoss(session_id)
    background.run('a lost session was not recorded', recordLoss({ agent_id, session_id, graceful }))
  }

  async function recordLoss({
    agent_id,
    session_id,
    graceful,
  }: {
    agent_id: string
    session_id: string
    graceful: boolean
  }): Promise<void> {
    const gone = { $set: { lost_at: new Date(clock.now()), live: false }, ...(graceful ? { $unset: { watched: '' as const } } : {}) }
    // Only while it is this node's: on another one it may have come back already.
    await models.sessions.updateOne({ _id: session_id, node_id: deps.node_id }, gone)
    await deps.onLost(agent_id, session_id)
    if (graceful) await illness.reconsider(agent_id)
  }

  return { kind: 'session', type: 'agent.hello', handle }
}

function keyOf(principal: Principal): { key_id?: string; counted_as?: string } {
  const [key_id, counted_as] = [principal.credential?.id, countedAs(principal)]
  return { ...(key_id ? { key_id } : {}), ...(counted_as ? { counted_as } : {}) }
}
