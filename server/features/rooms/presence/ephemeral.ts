import { ParleyError } from '../../../../shared/protocol/index.ts'
import { isDuplicateKey } from '../../../core/duplicate-key.ts'
import type { SessionCommand } from '../../../pipeline/command.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import type { RoomModels } from '../model.ts'
import type { Presence } from './presence.ts'
import type { Seats } from './seats.ts'

export function createLeaveRoom(seats: Seats): SessionCommand<'room.leave'> {
  return {
    kind: 'session',
    type: 'room.leave',
    async handle(session, { contract_id }) {
      seats.leave(session, contract_id)
      return { ack: () => ({}) }
    },
  }
}

/** Shown for a few seconds; not history. */
export function createTyping(seats: Seats, presence: Presence): SessionCommand<'typing'> {
  return {
    kind: 'session',
    type: 'typing',
    async handle(session, { contract_id }) {
      seats.require(session, contract_id)
      presence.change(contract_id, session.principal.id, { typing: true })
      return { ack: () => ({}) }
    },
  }
}

/** How far the principal has read: kept for it, on all its devices, and never moved back by a device that lags. */
export function createSetCursor({
  seats,
  presence,
  models,
  log,
}: {
  seats: Seats
  presence: Presence
  models: RoomModels
  log: Log
}): SessionCommand<'cursor.set'> {
  return {
    kind: 'session',
    type: 'cursor.set',
    async handle(session, { contract_id, seq }) {
      seats.require(session, contract_id)
      const { head } = await log.open(streamOf(contract_id))
      if (seq > head) throw new ParleyError('FRAME_INVALID', { errors: [{ pointer: '/seq', detail: `the room's log ends at ${head}` }] })
      const principal_id = session.principal.id
      const keep = () =>
        models.cursors.findOneAndUpdate(
          { _id: `${contract_id}:${principal_id}` },
          { $set: { contract_id, principal_id }, $max: { seq } },
          { upsert: true, returnDocument: 'after' },
        )
      // Two that are the first at once: the second finds the row of the other.
      const kept = await keep().catch((error: unknown) => {
        if (!isDuplicateKey(error)) throw error
        return keep()
      })
      presence.change(contract_id, principal_id, { cursor: kept?.seq ?? seq })
      return { ack: () => ({}) }
    },
  }
}
