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
  audiencesOf,
}: {
  sessions: ReadonlyMap<string, Session>
  /** The ids of the connections in an audience. */
  membersOf(audience: string): Iterable<string>
  /** What a connection is told. */
  audiencesOf(id: string): Iterable<string>
}) {
  const endings = new LRUCache<string, { code: CloseCode; reason: string }>({ max: MOST_REMEMBERED })
  const cut = new WeakSet<Session>()
  /** When something about a principal's credentials was last heard of, counted in such news. */
  const news = new LRUCache<string, number>({ max: MOST_REMEMBERED })
  let heard = 0

  function cutHere({ principal_id, credential_id, code, reason }: EndedCredential): void {
    // Who is only told to come back may come back by the same one.
    if (code >= 4400) endings.set(credential_id, { code, reason })
    for (const id of [...membersOf(audienceOf.principal(principal_id))]) {
      const session = sessions.get(id)
      if (session?.principal.credential?.id === credential_id) end(session, { code, reason })
    }
  }

  /** A socket that does not drain stays for a while: it is told nothing meanwhile. */
  function end(session: Session, { code, reason }: { code: CloseCode; reason: string }): void {
    cut.add(session)
    for (const audience of [...audiencesOf(session.id)]) session.exit(audience)
    session.close(code, reason)
  }

  const endOf = ({ credential }: Principal) => (credential === undefined ? undefined : endings.get(credential.id))

  return {
    cutHere,
    hasEnded: (principal: Principal) => endOf(principal) !== undefined,
    /** Closes a connection that came by a credential which has ended meanwhile. */
    closeIfEnded: (session: Session): void => {
      const ended = endOf(session.principal)
      if (ended !== undefined) end(session, ended)
    },
    /** Whether the connection was ended here: what it sent and is not decided yet comes too late. */
    isCut: (session: Session): boolean => cut.has(session),
    /** Something about the credentials of the principal is not what it was. */
    hear(principal_id: string): void {
      news.set(principal_id, ++heard)
    },
    /** For a handshake: whether anything was heard of the principal since, so that what was proven may not hold any more. */
    listen(): { hasNewsOf(principal: Principal): boolean } {
      const since = heard
      return { hasNewsOf: ({ id }) => (news.get(id) ?? 0) > since }
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
