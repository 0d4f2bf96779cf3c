import { type CloseCode, closeCodes, type UserRole } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Model, SessionDocument, UserDocument } from '../model.ts'
import { isUnder } from './user-sessions.ts'

export interface FoundSession {
  /** Why a connection that was opened by it must not go on. */
  ended?: { code: CloseCode; reason: string }
}

const ENDED = { code: closeCodes.CREDENTIALS_REVOKED, reason: 'The session has ended' }
const CHANGED = { code: closeCodes.GOING_AWAY, reason: 'Your roles have changed' }
const AT_ONCE = 1_000

/** What the store says of sessions that were good when they were shown, with the roles that their users had. */
export function createSessionLookup({ model: { sessions, users }, clock }: { model: Model; clock: Clock }) {
  return async function lookUp(shown: ReadonlyMap<string, readonly UserRole[]>): Promise<Map<string, FoundSession>> {
    const found = new Map<string, FoundSession>([...shown.keys()].map((id) => [id, { ended: ENDED }]))
    const ids = [...shown.keys()]
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const rows = await sessions.find({ _id: { $in: ids.slice(at, at + AT_ONCE) } }).toArray()
      const people = await users.find({ _id: { $in: [...new Set(rows.map(({ user_id }) => user_id))] } }).toArray()
      const userOf = new Map(people.map((user) => [user._id, user]))
      for (const row of rows) found.set(row._id, stateOf(row, { user: userOf.get(row.user_id), roles: shown.get(row._id) ?? [] }))
    }
    return found
  }

  function stateOf(
    session: SessionDocument,
    { user, roles }: { user: UserDocument | undefined; roles: readonly UserRole[] },
  ): FoundSession {
    const goesOn = session.ended_at === null && session.expires_at.getTime() > clock.now()
    if (!goesOn || !isUnder(user ?? null, session)) return { ended: ENDED }
    return user?.roles.toSorted().join() === roles.toSorted().join() ? {} : { ended: CHANGED }
  }
}
