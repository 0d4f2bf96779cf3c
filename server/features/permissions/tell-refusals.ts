import { ParleyError } from '../../../shared/protocol/index.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import { type Counted, createCountingWindows } from '../../pipeline/background/counting-windows.ts'
import type { RecordedCommand, SystemFrames } from '../../pipeline/command.ts'
import type { TurnedAway } from '../../pipeline/door-watch.ts'
import { refuseWhenEnded } from '../rooms/index.ts'
import { type Refusal, refusalOf } from './refusal-of.ts'

/** Kinds of refusals that are told apart at once. What is over it is in the audit trail, and in no room. */
const MOST_KINDS = 2_000

export interface RefusalTellerDeps {
  clock: Clock
  newId(): string
  /** Writes down what is known of a contract's permissions, so that who hears of a refusal and asks any hub finds it counted. */
  keep(contract_id: string): Promise<void>
  record(frame: SystemFrames['permission.refuse']): Promise<void>
  onTrouble(what: string, cause: unknown): void
}

/** Tells a room what its agent was refused: the first of a kind at once, what follows as a count, so that no agent can flood a log. */
export function createRefusalTeller({ clock, newId, keep, record, onTrouble }: RefusalTellerDeps) {
  const telling = new Set<Promise<void>>()
  const windows = createCountingWindows<Refusal & { last_at: string }>({
    clock,
    tell(counted) {
      const told = tell(counted).catch((cause: unknown) => onTrouble('a refusal was not told in its room', cause))
      telling.add(told)
      void told.then(() => telling.delete(told))
    },
  })

  async function tell({ item, count }: Counted<Refusal & { last_at: string }>): Promise<void> {
    await keep(item.contract_id)
    await record({ ...item, count, request_id: newId() })
  }

  return {
    turnedAway(turned_away: TurnedAway): void {
      const refusal = refusalOf(turned_away)
      if (refusal === undefined) return
      const { contract_id, agent_id, lacks, denied_by } = refusal
      const kind = `${contract_id} ${agent_id} ${lacks} ${denied_by}`
      if (windows.size() >= MOST_KINDS && !windows.has(kind)) return
      const last_at = isoTime(clock.now())
      windows.take(kind, () => ({ ...refusal, last_at }))
    },
    /** Tells what was counted so far. */
    async close(): Promise<void> {
      windows.flush()
      await Promise.all(telling)
    },
  }
}

/** The hub notes what a party's agent was refused. Refused itself in an ended contract, and for a stranger to it. */
export const noteRefusal: RecordedCommand<'permission.refuse'> = {
  kind: 'recorded',
  type: 'permission.refuse',
  keyOf: ({ request_id }) => `refused:${request_id}`,
  decide: (room, { agent_id, lacks, denied_by, what, last_at, count }) => {
    refuseWhenEnded(room)
    if (![room.contract?.provider_id, room.contract?.requester_id].includes(agent_id)) throw new ParleyError('NOT_FOUND')
    return { event: { type: 'permission.refused', data: { agent_id, lacks, denied_by, what, last_at, count } } }
  },
  ack: () => ({}),
}
