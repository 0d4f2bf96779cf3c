import { LRUCache } from 'lru-cache'
import type { CloseCode } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import { audienceOf, type Session } from '../../pipeline/session.ts'

export interface EndedCredential {
  principal_id: string
  credential_id: string
  code: CloseCode
  reason: string
}

/** Long enough that a handshake or a renewal which was under way when the credential ended is over. */
const MOST_REMEMBERED = 10_000

/**
 * Ends the connections of this node that were opened by a credential, in one step: nothing that is told after it reaches them. One that
 * is only just being opened by it is ended when it is.
 */
export function createCredentialCut({
  sessions,
  membersOf,
}: {
  sessions: ReadonlyMap<string, Session>
  /** The ids of the connections in an audience. */
  membersOf(audience: string): Iterable<string>
}) {
  const ended = new LRUCache<string, { code: CloseCode; reason: string }>({ max: MOST_REMEMBERED })

  function cutHere({ principal_id, credential_id, code, reason }: EndedCredential): void {
    // Who is only told to come back may come back by the same one.
    if (code >= 4400) ended.set(credential_id, { code, reason })
    for (const id of [...membersOf(audienceOf.principal(principal_id))]) {
      const session = sessions.get(id)
      if (session?.principal.credential?.id === credential_id) session.close(code, reason)
    }
  }

  const endOf = ({ credential }: Principal) => (credential === undefined ? undefined : ended.get(credential.id))

  return {
    cutHere,
    hasEnded: (principal: Principal) => endOf(principal) !== undefined,
    /** Closes a connection that came by a credential which has ended meanwhile. */
    closeIfEnded: (session: Session): void => {
      const end = endOf(session.principal)
      if (end !== undefined) session.close(end.code, end.reason)
    },
    /** The connections of this node whose credential can end; of one principal, or all. */
    sessionsHere: (principal_id?: string): Session[] => {
      const ids = principal_id === undefined ? sessions.keys() : membersOf(audienceOf.principal(principal_id))
      return [...ids].flatMap((id) => sessions.get(id) ?? []).filter(({ principal }) => canEnd(principal))
    },
  }
}

export type CredentialCut = ReturnType<typeof createCredentialCut>

function canEnd({ credential }: Principal): boolean {
  return credential !== undefined && credential.kind !== 'operator'
}
