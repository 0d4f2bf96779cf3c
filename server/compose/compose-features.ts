import type { Connection } from 'mongoose'
import { type Limits, ParleyError, type Push } from '../../shared/protocol/index.ts'
import type { SystemFrameType } from '../core/access/authorize.ts'
import { system } from '../core/access/principal.ts'
import type { Clock } from '../core/clock.ts'
import * as agents from '../features/agents/index.ts'
import { isAuditStream } from '../features/audit/index.ts'
import type { Identity } from '../features/identity/index.ts'
import { permissionRoutes } from '../features/permissions/index.ts'
import * as rooms from '../features/rooms/index.ts'
import * as tools from '../features/tools/index.ts'
import type { Meter } from '../gateway/meter.ts'
import type { CredentialCut } from '../gateway/socket/credential-cut.ts'
import { type Background, createBackground } from '../pipeline/background/background.ts'
import { createReactors, mergeReactors, type ReactorTable, reactionsTo } from '../pipeline/background/reactors.ts'
import type { DeadLetter } from '../pipeline/background/retry.ts'
import { createTimers, type TimerFrame } from '../pipeline/background/timers.ts'
import type { CommandTable, Payload, RecordedCommand } from '../pipeline/command.ts'
import type { Route } from '../pipeline/http/route.ts'
import { createLog } from '../pipeline/log/log.ts'
import { contractOf, createRecord, streamOf } from '../pipeline/log/record.ts'
import type { Peers } from '../pipeline/peers.ts'
import { createReceive } from '../pipeline/receive.ts'
import { audienceOf, type Broadcast, type Session, type TellEvents } from '../pipeline/session.ts'
import { createEventStore } from '../pipeline/store/event-store.ts'
import { createFollower } from '../pipeline/store/follow.ts'
import { createHeads } from '../pipeline/store/heads.ts'
import { meteredStore } from '../pipeline/store/metered-store.ts'
import { annotate } from './annotate.ts'
import { type AuditDeps, composeAudit } from './compose-audit.ts'
import { composeCredentials } from './compose-credentials.ts'
import type { PermissionWatch } from './compose-permissions.ts'
import { listenToPeers } from './listen-to-peers.ts'

export interface FeatureDeps {
  connection: Connection
  clock: Clock
  limits: Limits
  epoch: string
  /** This node's name among those of the database. */
  node_id: string
  meter: Meter
  peers: Peers
  broadcastHere: Broadcast
  tellEventsHere: TellEvents
  cut: CredentialCut
  hasAudience(audience: string): boolean
  /** In memory on one node, in Redis on several. */
  createPresence(needs: { clock: Clock; broadcast: Broadcast; background: Background }): rooms.Presence
  identity: Identity
  /** Resolves when what a principal has begun by HTTP is done. */
  settledWrites(principal_id: string): Promise<void>
  permissions: PermissionWatch
  audit: Pick<AuditDeps, 'writer' | 'keys' | 'snapshotKey' | 'owner' | 'operator_mark' | 'onCheckpoint' | 'onOther'>
  onTrouble(what: string, cause: unknown): void
  /** Background work was given up: a person must look. */
  onDeadLetter(letter: DeadLetter): void
}

/** The features upon the road: the tables of commands, routes and reactors, and what each needs of the others. */
export async function composeFeatures(deps: FeatureDeps) {
  const { connection, clock, limits, epoch, meter, node_id, peers, broadcastHere, identity, onTrouble } = deps
  const broadcast: Broadcast = (audience, type, payload) => {
    broadcastHere(audience, type, payload)
    peers.tell(audience, { kind: 'push', type, payload })
  }
  const store = meteredStore(createEventStore(connection), meter)
  const roomModels = rooms.createRoomModels(connection)
  const toolModels = tools.createToolModels(connection)
  const agentModels = agents.createAgentModels(connection)
  const rows = rooms.createContractRows({ models: roomModels, clock, onTrouble })
  const background = createBackground(onTrouble)
  const deliver = rooms.createDeliver({ tellEventsHere: deps.tellEventsHere, cutHere: deps.cut.cutHere, broadcast, peers, epoch })

  const audit = composeAudit({ connection, clock, log: () => log, store, peers, identity, ...deps.audit, onTrouble })

  let reactorTable: ReactorTable = {}
  const reactors = createReactors({
    ...{ store, clock, onTrouble, onDeadLetter: deps.onDeadLetter },
    table: () => reactorTable,
    refresh: (stream) => log.refresh(stream),
  })
  const log = createLog({
    ...{ store, clock, epoch, onTrouble },
    snapshots: audit.snapshots,
    annotate: annotate((draft) => reactionsTo(reactorTable, draft).length > 0),
    onRepair: meter.repair,
    onLoad: (stream, tail) => isAuditStream(stream) || rows.happened(contractOf(stream), tail),
    isFollowed: (stream) => !isAuditStream(stream) && deps.hasAudience(audienceOf.ephemeral(contractOf(stream))),
    publish: (stream, news) => {
      audit.committed(stream, news)
      if (isAuditStream(stream)) return
      const began = performance.now()
      // Whoever wrote it: what is streamed behind it is refused, and what was is read from the database.
      for (const { event } of news) {
        const call_id = tools.endedCall(event)
        if (call_id !== undefined) streams.forget(call_id)
        if (event.type === 'message.posted') presence.posted(contractOf(stream), event.by.id)
      }
      deliver(stream, news)
      meter.delivered(performance.now() - began)
      const own = news.filter(({ mine }) => mine)
      reactors.takeUp(stream, own)
      rows.happened(contractOf(stream), own)
      deps.permissions.uses.committed(contractOf(stream), own, log.cached(stream)?.room.contract?.provider_id)
    },
  })
  const record = createRecord(log, meter, deps.cut.isCut)

  /** Sends a frame of the hub itself. One that comes too late is refused like any other, and that is no trouble. */
  async function asSystem<T extends SystemFrameType, F>(command: RecordedCommand<T, F>, frame: Payload<T>): Promise<void> {
    await record(command, frame, system).catch((error: unknown) => {
      if (error instanceof ParleyError && error.code !== 'UNAVAILABLE' && error.code !== 'OVERLOADED') return
      throw error
    })
  }

  const parties = async (ids: string[]) => {
    const found = await identity.principals.find(ids)
    return new Map([...found].map(([id, { kind, name }]) => [id, { id, kind, name }]))
  }
  const toolsOf = tools.createToolsOf(toolModels)
  const streams = tools.createCallStreams({ parts: tools.createStreamParts(toolModels, clock), limits, onTrouble })
  const turns = tools.createCallTurns()
  const validators = tools.createInputValidators({ clock })
  const sessions = agents.createAgentSessions(clock)
  const sessionOn = (session: Session) => sessions.on(session)?.session_id
  const reach = agents.createReach({ models: agentModels, sessions, clock, node_id, limits, onTaken: (live) => health.forget(live) })
  const { contractOfCall, noteCall } = tools.createContractOfCall(store)
  const systemCalls = tools.createSystemCalls({ seal: streams.seal, turns })

  const fireCall = tools.createFireTimer({ record, calls: systemCalls, log, clock, limits, heldAt: reach.heldAt })
  const fire = (frame: TimerFrame) => {
    if (frame.type === 'key.settle') return identity.keys.settle(frame.key_id)
    return frame.type === 'grants.settle' ? identity.grants.settle(frame.agent_id) : fireCall(frame)
  }
  const timers = createTimers({ connection, clock, fire, onTrouble, onDeadLetter: deps.onDeadLetter })
  const slots = tools.createTaskSlots({ log, timers, sessionsOfKey: reach.ofKey })
  const dispatch = tools.createDispatch({
    ...{ log, timers, clock, slots, background, noteCall, store },
    forTool: reach.forTool,
    tellPeers: (agent_id, cancel) =>
      peers.tell(audienceOf.principal(agent_id), { kind: 'work', agent_id, ...(cancel === undefined ? {} : { cancel }) }),
    sessionsOf: sessions.of,
    start: (frame) => asSystem(tools.startCall, frame),
  })
  const startCall = tools.createStartOnSign({ log, sessionOn, slots, start: (frame) => asSystem(tools.startCall, frame) })

  const credentials = composeCredentials({ ...deps, log, timers, background, contracts: rows, asSystem })
  const { requireGood } = identity.keys
  deps.permissions.bind(asSystem)

  reactorTable = mergeReactors(
    { 'contract.opened': [rows.follow, credentials.tellMissed], 'contract.ended': [rows.follow] },
    tools.createCallReactor({
      log,
      timers,
      clock,
      limits,
      dispatch,
      cancelByHub: (frame) => asSystem(systemCalls.cancelByHub, frame),
    }),
  )

  const heads = rooms.createOpenHeads({ openOf: rows.openOf, headsOf: createHeads({ log, store }) })

  const illness = agents.createIllness({
    ...{ models: agentModels, reach, clock, openContracts: rows.openOf },
    unhealthy_after_ms: limits.unhealthy_after_ms,
    markUnhealthy: (contract_id, about) => asSystem(agents.markUnhealthy, { contract_id, ...about }),
    markRecovered: async (contract_id, about) => {
      // As the log has it: another node may have recorded the illness.
      const { room } = await log.refresh(streamOf(contract_id))
      if (room.agent.health === 'unhealthy') await asSystem(agents.markRecovered, { contract_id, ...about })
    },
  })
  const health = agents.createHealth({ clock, background, unhealthy_after_ms: limits.unhealthy_after_ms, onSilence: illness.silent })

  const presence = deps.createPresence({ clock, broadcast, background })
  const seats = rooms.createSeats(presence)
  const catchUp = rooms.createCatchUp({
    ...{ log, limits, onTrouble },
    replayTexts: (session, { contract_id, known }) => {
      for (const { call_id } of log.cached(streamOf(contract_id))?.room.calls ?? []) {
        if (known.has(call_id)) continue
        for (const [at, chunk] of streams.chunksOf(call_id).entries()) session.send('chunk', { contract_id, call_id, seq: at + 1, chunk })
      }
    },
  })
  const describeRoom = rooms.createDescribeRoom({ models: roomModels, presence, parties, toolsOf, textOf: streams.textOf })

  const commands = {
    'agent.hello': agents.createSayHello({
      ...{ models: agentModels, sessions, health, illness, clock, limits, background, node_id, requireGood },
      ...{ keptUntil: reach.keptUntil, noteLoss: reach.lost, sendOpenCalls: dispatch.sendOpenCalls },
      tellTaken: (taken) => peers.tell(audienceOf.principal(taken.agent_id), { kind: 'taken', ...taken }),
      openContracts: async (id) => (await heads(id)).map(({ contract_id, seq }) => ({ contract_id, head: seq, epoch })),
      onLost: (agent_id, session_id) => tools.afterLoss({ timers, dispatch, log, clock, limits }, { agent_id, session_id }),
    }),
    'agent.tools.register': tools.createRegisterTools({
      ...{ ...identity.keys, models: toolModels, validators, clock, limits, background, sendOpenCalls: dispatch.sendOpenCallsAnywhere },
      setTools: async (session, names) => {
        const live = sessions.on(session)
        if (live === undefined) throw new ParleyError('HELLO_REQUIRED')
        live.tools = names
        await agentModels.sessions.updateOne({ _id: live.session_id }, { $set: { tools: [...names] } })
      },
    }),
    'agent.heartbeat': agents.createHeartbeat({
      ...{ models: agentModels, sessions, health, illness, clock, tellOver: dispatch.tellOver },
      heads: async (id) => Object.fromEntries((await heads(id)).map(({ contract_id, seq, chain }) => [contract_id, { seq, chain }])),
    }),
    'room.join': rooms.createJoinRoom({
      ...{ log, peers, onJoin: meter.resume, describeRoom, seats, catchUp, requireGood, loadText: streams.reload, clock, limits },
    }),
    'room.leave': rooms.createLeaveRoom(seats),
    'message.post': rooms.postMessage,
    'tool.call': tools.createCallTool({
      ...{ limits, toolsOf, faults: validators.faults },
      roomOf: async (contract_id) => (await log.open(streamOf(contract_id))).room,
    }),
    'tool.cancel': tools.cancelCall,
    'agent.tool.stream': tools.createStreamChunk({ log, streams, turns, contractOfCall, startCall, sessionOn, show: showChunk }),
    'agent.tool.result': tools.createCallResult({ turns, contractOfCall, startCall, seal: streams.seal }),
    'contract.end': rooms.endContract,
    typing: rooms.createTyping(seats, presence),
    'cursor.set': rooms.createSetCursor({ seats, presence, models: roomModels, log }),
    ...audit.commands,
    'auth.refresh': agents.createRefreshAuth(identity.authenticate),
  } satisfies CommandTable

  function showChunk(chunk: Push<'chunk'>): void {
    broadcastHere(audienceOf.ephemeral(chunk.contract_id), 'chunk', chunk)
    const after_seq = log.cached(streamOf(chunk.contract_id))?.head ?? 0
    peers.tell(audienceOf.ephemeral(chunk.contract_id), { kind: 'chunk', chunk, after_seq })
  }

  const follower = createFollower({
    ...{ log, store, clock, onTrouble },
    afterwards: async () => {
      audit.sweep()
      await reach.renew()
      await illness.sweep()
      await dispatch.sweep([...new Set(sessions.all().map(({ agent_id }) => agent_id))])
      await credentials.watch.sweep()
    },
  })
  listenToPeers({
    ...{ peers, log, streams, turns, dispatch, broadcastHere, follower, background },
    ...{ recheck: credentials.watch.hear, heardTrail: audit.heard, heardTaken: reach.heardTaken },
  })

  const routes: Route[] = [
    ...permissionRoutes({ log, record, uses: deps.permissions.uses, keysOf: identity.keys.boundsOf }),
    ...audit.routes,
    ...rooms.roomRoutes({
      ...{ log, rows, models: roomModels, record, parties, grantsOf: identity.grants.of, page_bytes: limits.page_bytes },
      ...{ verifyStream: audit.verifyStream, readCheckpoints: audit.readCheckpoints },
    }),
    ...tools.toolRoutes({ log, store, streams }),
  ]

  return {
    routes,
    receive: createReceive({ commands, record, log, most_depth: limits.input_depth, noteUse: identity.noteUse }),
    /** Makes good what a crash left behind, then starts the sweeps. */
    async start(): Promise<void> {
      await audit.start()
      while ((await reactors.sweep({ settled_ms: 0 })) > 0);
      reactors.start()
      timers.start()
      follower.start()
    },
    waiting: log.waiting,
    deadLetters: async () => ({ timer: await timers.deadLetters(), reactor: await reactors.deadLetters() }),
    /** What is kept in memory of rooms and of running streams. */
    held: () => ({ rooms: log.held(), ...streams.held() }),
    /** Answers the frames that wait. */
    async flush(): Promise<void> {
      await log.flush()
      await streams.flush()
    },
    /** Commits what is waiting and lets go of everything that runs by itself. */
    async close(): Promise<void> {
      await follower.close()
      await validators.close()
      health.close()
      await background.settled()
      await log.flush()
      await Promise.all([audit.close(), rows.close()])
      await streams.flush()
      await reactors.close()
      await timers.close()
      await background.settled()
      await presence.close()
    },
  }
}
