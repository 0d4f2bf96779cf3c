import type { CallView } from '../../../../shared/protocol/index.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import type { CallMark, EventStore } from '../../../pipeline/store/event-store.ts'
import { createSharedReads } from '../../../pipeline/store/shared-reads.ts'
import { isEndType } from './call-ends.ts'

export interface NamedCallsDeps {
  log: Pick<Log, 'open'>
  marksOfCalls: EventStore['marksOfCalls']
  tellCancel(agent_id: string, call: Pick<CallView, 'call_id' | 'session_id'>, reason?: string): void
}

interface Naming {
  agent_id: string
  session_id: string
}

/**
 * Calls that a session says it works on, held against the log: it is told which of them are over, or to be given up. That is so on whichever
 * node it is, and after any restart, for nothing of it is kept in memory. Of namings of one session that come while one is looked up,
 * the first stands for all: they are repeated anyway.
 */
export function createNamedCalls({ log, marksOfCalls, tellCancel }: NamedCallsDeps) {
  const lookUp = createSharedReads({ nameOf: ({ session_id }: Naming, _call_ids: readonly string[]) => session_id, read: tellOver })

  async function tellOver({ agent_id, session_id }: Naming, call_ids: readonly string[]): Promise<void> {
    const marks = await marksOfCalls([...new Set(call_ids)])
    const own = await streamsOf(agent_id, marks)
    const byCall = Map.groupBy(
      marks.filter(({ stream }) => own.has(stream)),
      ({ call_id }) => call_id,
    )
    for (const call_id of new Set(call_ids)) {
      const why = whyNot(byCall.get(call_id))
      if (why !== undefined) tellCancel(agent_id, { call_id, session_id }, why.reason)
    }
  }

  /** Of these, the rooms that the agent works in. A call of another one is as unknown to it as one that never was. */
  async function streamsOf(agent_id: string, marks: readonly CallMark[]): Promise<ReadonlySet<string>> {
    const streams = [...new Set(marks.map(({ stream }) => stream))]
    const opened = await Promise.all(streams.map((stream) => log.open(stream)))
    return new Set(streams.filter((_, at) => opened[at]?.room.contract?.provider_id === agent_id))
  }

  return lookUp
}

/** Undefined while it is to be worked on. */
function whyNot(marks: readonly CallMark[] | undefined): { reason?: string } | undefined {
  if (marks === undefined) return { reason: 'NOT_FOUND' }
  const end = marks.find(({ type }) => isEndType(type))
  if (end !== undefined) return { reason: end.type }
  return marks.some(({ type }) => type === 'call.cancel_requested') ? {} : undefined
}
