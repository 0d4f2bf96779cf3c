import type { CallView, RecordedEvent } from '../../../../shared/protocol/index.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import type { EventStore } from '../../../pipeline/store/event-store.ts'
import { isCallEnd } from './call-ends.ts'

export interface SentCallsDeps {
  log: Log
  eventsOfCall: EventStore['ofCall']
  /** Whether this node holds the session. */
  isHere(agent_id: string, session_id: string): boolean
  /** Tells the agent's sessions of this node. */
  tellCancel(agent_id: string, call: Pick<CallView, 'call_id' | 'session_id'>, reason?: string): void
}

interface SentCall {
  call_id: string
  contract_id: string
  agent_id: string
  session_id: string
  /** At the last look the agent should have heard of its end. The word may just have been on its way. */
  isOverdue?: true
  /** Looks in a row at which its session was not here. */
  away: number
}

/** A minute of looks: a session whose connection was lost has its running calls for 45 s. */
const MOST_AWAY = 12

/**
 * The calls that sessions of this node were sent and, as far as it knows, work on. The word that one is canceled or over is lossy between
 * nodes, and goes nowhere while a session has no connection: what was not heard is made good here from the log, so that no agent works on
 * for nobody.
 */
export function createSentCalls({ log, eventsOfCall, isHere, tellCancel }: SentCallsDeps) {
  const sent = new Map<string, SentCall>()

  /** Tells what was missed. Looks at rooms in memory; a call's events are read only when it was missed. */
  async function tellMissed(): Promise<void> {
    for (const one of [...sent.values()]) {
      if (isHere(one.agent_id, one.session_id)) await lookAt(one)
      else if (++one.away >= MOST_AWAY) forget(one.call_id, one.session_id)
    }
  }

  async function lookAt(one: SentCall): Promise<void> {
    one.away = 0
    const { room } = await log.open(streamOf(one.contract_id))
    const call = room.calls.find(({ call_id }) => call_id === one.call_id)
    if (call !== undefined && !call.cancel_requested) return
    if (!one.isOverdue) {
      one.isOverdue = true
      return
    }
    const events = (await eventsOfCall(one.call_id)).map(({ event }) => event)
    // It was told, or sent anew, while the log was read.
    if (sent.get(one.call_id) !== one) return
    sent.delete(one.call_id)
    const why = whyOver(events)
    if (why !== undefined) tellCancel(one.agent_id, call ?? { call_id: one.call_id }, why.reason)
  }

  /** The session knows that it is over. */
  function forget(call_id: string, session_id: string): void {
    if (sent.get(call_id)?.session_id === session_id) sent.delete(call_id)
  }

  return {
    ...{ tellMissed, forget },
    note: (one: Omit<SentCall, 'isOverdue' | 'away'>): void => void sent.set(one.call_id, { ...one, away: 0 }),
    /** Its agent ended it. */
    over: (call_id: string): void => void sent.delete(call_id),
  }
}

/** What the agent is told, in the words in which it is told at once; undefined where it ended the call itself. */
function whyOver(events: readonly RecordedEvent[]): { reason?: string } | undefined {
  const end = events.findLast(isCallEnd)
  if (end !== undefined) return end.by.kind === 'system' ? { reason: end.type } : undefined
  const asked = events.findLast((event) => event.type === 'call.cancel_requested')
  return asked?.data.reason === undefined ? {} : { reason: asked.data.reason }
}
