import type { CallView } from '../../../../shared/protocol/index.ts'
import type { Principal } from '../../../core/access/principal.ts'
import { executionBoundOf, profileOf } from '../../../core/access/profile.ts'
import { toolsOf } from '../../../core/access/tools-of.ts'
import { type Clock, isoTime } from '../../../core/clock.ts'
import type { Background } from '../../../pipeline/background/background.ts'
import type { Timers } from '../../../pipeline/background/timers.ts'
import type { SystemFrames } from '../../../pipeline/command.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import type { Session } from '../../../pipeline/session.ts'
import type { EventStore } from '../../../pipeline/store/event-store.ts'
import { createNamedCalls } from './named-calls.ts'
import { createSentCalls } from './sent-calls.ts'
import type { TaskSlots } from './task-slots.ts'

/** A live session of an agent, as far as sending calls needs it. */
export interface Reach {
  session_id: string
  session: Session
}

export interface DispatchDeps {
  log: Log
  timers: Timers
  /** The newest live session of all nodes that has the tool, when this node holds it. */
  forTool(agent_id: string, tool: string): Promise<Reach | undefined>
  slots: TaskSlots
  clock: Clock
  /** The live sessions of this node. */
  sessionsOf(agent_id: string): readonly Reach[]
  start(frame: SystemFrames['call.start']): Promise<void>
  /** Tells the other nodes that the agent has something to do, or no longer. */
  tellPeers(agent_id: string, cancel?: Pick<CallView, 'call_id' | 'session_id'> & { reason?: string }): void
  background: Background
  /** The call goes to its agent from here. */
  noteCall(call_id: string, contract_id: string): void
  store: Pick<EventStore, 'ofCall' | 'marksOfCalls'>
}

interface Sending {
  call: CallView
  term: number
  /** The keys that have as many calls as they may, as far as this round knows. */
  full?: Set<string>
}

/** Whether the session that is to get the call is of this node. */
type Sent = 'here' | 'not here' | 'not now'

/** Brings calls and cancels to the agent, whichever node it is on. At least once: the agent drops a call that it has. */
export function createDispatch(deps: DispatchDeps) {
  const { log, timers, clock, slots, forTool, sessionsOf, start, tellPeers, background, noteCall, store } = deps
  const isHere = (agent_id: string, session_id: string) => sessionsOf(agent_id).some((live) => live.session_id === session_id)
  const sentCalls = createSentCalls({ log, eventsOfCall: store.ofCall, isHere, tellCancel: tellCancelHere })
  const tellOver = createNamedCalls({ log, marksOfCalls: store.marksOfCalls, tellCancel: tellCancelHere })
  /** Calls that were sent and not yet acknowledged, so that a sweep does not send them again and again. */
  const asked = new Set<string>()

  /**
   * Sends the call to the newest live session that has the tool; with none, it waits for one until its deadline. One that was
   * started stays with its session: it is sent again to that one only, which may have missed it. One whose key has as many under way
   * as it may waits until one of them ends.
   */
  async function send(contract_id: string, agent_id: string, { call, term, full = new Set() }: Sending): Promise<Sent> {
    if (!mayGo(call)) return 'not now'
    const own = call.session_id
    // The newest connection of the session: it may have come back on another one before the old one is known to be dead.
    const reach =
      own === undefined
        ? await forTool(agent_id, call.tool)
        : sessionsOf(agent_id).findLast((live) => live.session_id === own && mayHave(live, call))
    if (reach === undefined) return 'not here'
    const { call_id, tool, input } = call
    const { session, session_id } = reach
    if (call.state !== 'running' && !(await mayTake(session.principal, call_id, full))) return 'here'
    const name = `${call_id} ${session.id}`
    if (asked.has(name)) return 'here'
    asked.add(name)
    noteCall(call_id, contract_id)
    sentCalls.note({ call_id, contract_id, agent_id, session_id })
    const { deadline, bound } = timeOf(call, session.principal)
    const push = { contract_id, call_id, tool, input, deadline, term }
    const received = session.ask('core.tool.call', push, call_id).finally(() => asked.delete(name))
    if (call.state === 'running') return 'here'
    const started = received.then((isThere) => (isThere ? start({ contract_id, call_id, session_id, ...bound }) : undefined))
    background.run(
      'a call was not started',
      started.finally(() => slots.release(session.principal, call_id)),
    )
    return 'here'
  }

  /** A key that was full once in a round is not asked again. */
  async function mayTake(principal: Principal, call_id: string, full: Set<string>): Promise<boolean> {
    const key_id = principal.credential?.id ?? ''
    if (full.has(key_id)) return false
    const isTaken = await slots.take(principal, call_id)
    if (!isTaken) full.add(key_id)
    return isTaken
  }

  /** Until when the session may work on it, if it starts now. */
  function timeOf({ state, deadline }: CallView, principal: Principal): { deadline: string; bound: { most_ms?: number } } {
    const most_ms = executionBoundOf(principal)
    if (most_ms === undefined || state === 'running') return { deadline, bound: {} }
    return { deadline: isoTime(Math.min(Date.parse(deadline), clock.now() + most_ms)), bound: { most_ms } }
  }

  /** A call has ended: what waits for its place can go. */
  async function sendWaiting(agent_id: string): Promise<void> {
    const isBound = sessionsOf(agent_id).some(({ session }) => profileOf(session.principal)?.max_concurrent_tasks !== undefined)
    if (isBound) await sendOpenCalls([agent_id], { isSweep: true })
  }

  /** For a call that was just asked for: here, or on the node that holds the agent. */
  async function sendAnywhere(contract_id: string, agent_id: string, what: { call: CallView; term: number }): Promise<void> {
    if ((await send(contract_id, agent_id, what)) === 'not here') tellPeers(agent_id)
  }

  /** Another session may have become the one that gets the calls: of this node, or of another. */
  async function sendOpenCallsAnywhere(agent_ids: string[]): Promise<void> {
    for (const agent_id of agent_ids) tellPeers(agent_id)
    await sendOpenCalls(agent_ids)
  }

  /** Sends all open calls of agents: they said hello, registered tools, lost a session that had not started them, or may have been missed. */
  async function sendOpenCalls(agent_ids: string[], { isSweep = false } = {}): Promise<void> {
    const here = agent_ids.filter((agent_id) => sessionsOf(agent_id).length > 0)
    const open = here.length === 0 ? [] : await timers.ofAgents(here, 'call.time_out')
    const full = new Set<string>()
    const hasRoom = (agent_id: string) => sessionsOf(agent_id).some(({ session }) => !full.has(session.principal.credential?.id ?? ''))
    const agentOf = new Map(open.map(({ contract_id, agent_id }) => [contract_id, agent_id]))
    for (const [contract_id, agent_id] of agentOf) {
      // As the log has it: nobody of this node need be in the room, so what it knows of it may be old. Before a sweep all is compared.
      const stream = await (isSweep ? log.open(streamOf(contract_id)) : log.refresh(streamOf(contract_id)))
      for (const { call_id } of stream.room.calls) {
        // Looked at anew: while the one before left, it may have ended.
        const call = stream.room.calls.find((one) => one.call_id === call_id)
        if (call === undefined) continue
        const isWanted = call.state === 'running' ? !isSweep : hasRoom(agent_id)
        const sent = isWanted ? await send(contract_id, agent_id, { call, term: stream.room.floor.term, full }) : 'not now'
        if (call.cancel_requested && !isSweep) tellCancelHere(agent_id, call)
        if (sent === 'here' && !isSweep) await drained(agent_id)
      }
    }
  }

  /** What the agents of this node should have been sent or told, and were not. */
  async function sweep(agent_ids: string[]): Promise<void> {
    await sendOpenCalls(agent_ids, { isSweep: true })
    await sentCalls.tellMissed()
  }

  /** Inputs may be long and the agent's line slow: the next one is handed over when this one has left. */
  async function drained(agent_id: string): Promise<void> {
    await Promise.all(sessionsOf(agent_id).map(({ session }) => session.drained()))
  }

  /** Tells the session that has the call, or, before anyone has it, all that may have been sent it. */
  function tellCancelHere(agent_id: string, call: Pick<CallView, 'call_id' | 'session_id'>, reason?: string): void {
    for (const { session_id, session } of sessionsOf(agent_id)) {
      session.settle(call.call_id)
      if (call.session_id !== undefined && call.session_id !== session_id) continue
      session.send('core.tool.cancel', { call_id: call.call_id, ...(reason === undefined ? {} : { reason }) })
      sentCalls.forget(call.call_id, session_id)
    }
  }

  function tellCancel(agent_id: string, call: Pick<CallView, 'call_id' | 'session_id'>, reason?: string): void {
    const { call_id, session_id } = call
    tellPeers(agent_id, { call_id, ...(session_id === undefined ? {} : { session_id }), ...(reason === undefined ? {} : { reason }) })
    tellCancelHere(agent_id, call, reason)
  }

  return {
    sendAnywhere,
    sendWaiting,
    sendOpenCalls,
    sendOpenCallsAnywhere,
    sweep,
    tellCancel,
    tellCancelHere,
    tellOver,
    over: sentCalls.over,
  }
}

export type Dispatch = ReturnType<typeof createDispatch>

function mayHave({ session }: Reach, { tool }: CallView): boolean {
  return toolsOf(session.principal)?.includes(tool) ?? true
}

function mayGo(call: CallView): boolean {
  if (call.cancel_requested) return false
  return call.state === 'running' || call.state === 'approved' || (call.state === 'requested' && !call.requires_approval)
}
