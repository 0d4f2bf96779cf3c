import type { RoomRole } from '../../../../shared/protocol/index.ts'
import { ParleyError } from '../../../../shared/protocol/index.ts'
import { audienceOf, type Session } from '../../../pipeline/session.ts'
import type { Presence } from './presence.ts'

interface Place {
  /** Joins under way that no leave has overtaken. */
  coming: Set<number>
  /** The join that took the seat; undefined = not in the room yet. */
  turn?: number
}

/** Which connection sits in which rooms, and which of its joins counts. */
export function createSeats(presence: Presence) {
  const bySession = new Map<string, Map<string, Place>>()
  let turns = 0

  const placeOf = (session: Session, contract_id: string) => bySession.get(session.id)?.get(contract_id)

  /** Says, before anything else, that a join begins: a leave from here on overtakes it. Answers the join's turn. */
  function come(session: Session, contract_id: string): number {
    const turn = ++turns
    if (!session.isOpen()) return turn
    let places = bySession.get(session.id)
    if (places === undefined) {
      places = new Map()
      bySession.set(session.id, places)
      session.onClose((graceful) => lose(session, graceful))
    }
    const place = places.get(contract_id) ?? { coming: new Set() }
    place.coming.add(turn)
    places.set(contract_id, place)
    return turn
  }

  /** Takes the seat, or takes it again: an older catch-up of the same seat stops. False when the client is gone, left, or joined anew. */
  function take(session: Session, { contract_id, role, turn }: { contract_id: string; role: RoomRole; turn: number }): boolean {
    const place = placeOf(session, contract_id)
    const isWanted = place?.coming.delete(turn) === true && session.isOpen() && turn > (place.turn ?? 0)
    if (!isWanted) return false
    place.turn = turn
    const { id, name, kind } = session.principal
    if (kind !== 'system') presence.enter({ contract_id, device: session.id, member: { id, name, kind, role } })
    return true
  }

  /** Gives up what this join took, and nothing that a later one has taken. */
  function giveUp(session: Session, contract_id: string, turn: number): void {
    const place = placeOf(session, contract_id)
    if (place === undefined) return
    place.coming.delete(turn)
    if (place.turn === turn) stand(session, contract_id, place)
    if (place.turn === undefined && place.coming.size === 0) bySession.get(session.id)?.delete(contract_id)
  }

  function leave(session: Session, contract_id: string): void {
    const place = placeOf(session, contract_id)
    bySession.get(session.id)?.delete(contract_id)
    if (place !== undefined) stand(session, contract_id, place)
  }

  function stand(session: Session, contract_id: string, place: Place): void {
    for (const seesNotes of [true, false]) session.exit(audienceOf.events(contract_id, seesNotes))
    session.exit(audienceOf.ephemeral(contract_id))
    if (place.turn === undefined) return
    delete place.turn
    presence.exit({ contract_id, device: session.id, principal_id: session.principal.id, at_once: true })
  }

  function lose(session: Session, graceful: boolean): void {
    for (const [contract_id, { turn }] of bySession.get(session.id) ?? []) {
      if (turn === undefined) continue
      presence.exit({ contract_id, device: session.id, principal_id: session.principal.id, at_once: graceful })
    }
    bySession.delete(session.id)
  }

  /** Refuses NOT_FOUND when the connection has not joined: what is told to a room comes from those who are in it. */
  function require(session: Session, contract_id: string): void {
    if (placeOf(session, contract_id)?.turn === undefined) throw new ParleyError('NOT_FOUND', { detail: 'Join the room first' })
  }

  return {
    come,
    take,
    giveUp,
    leave,
    require,
    isCurrent: (session: Session, contract_id: string, turn: number) => session.isOpen() && placeOf(session, contract_id)?.turn === turn,
  }
}

export type Seats = ReturnType<typeof createSeats>
