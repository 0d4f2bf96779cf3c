import { closeCodes, type Frame, ParleyError } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import { profileOf, requireWithin } from '../../core/access/profile.ts'
import { covers } from '../../core/access/scopes.ts'
import { isoTime } from '../../core/clock.ts'
import type { SessionCommand } from '../../pipeline/command.ts'
import type { Session } from '../../pipeline/session.ts'

interface Proof {
  principal: Principal
  expires_at_ms: number | null
}

/** New credentials for a connection that lives: of the same principal, or they are refused. */
export function createRefreshAuth(authenticate: {
  key(text: string, accept: (principal: Principal) => void): Promise<Proof>
  bearer(text: string, accept: (principal: Principal) => void): Promise<Proof>
}): SessionCommand<'auth.refresh'> {
  return {
    kind: 'session',
    type: 'auth.refresh',
    async handle(session: Session, frame: Frame<'auth.refresh'>) {
      const accept = (principal: Principal) => refuseOther(session, principal)
      const proof = 'key' in frame ? await authenticate.key(frame.key, accept) : await authenticate.bearer(frame.token, accept)
      const { expires_at_ms } = proof
      if (!session.renew(proof)) throw new ParleyError('UNAUTHENTICATED')
      const expires_at = expires_at_ms === null ? null : isoTime(expires_at_ms)
      return { ack: () => ({ expires_at }) }
    },
  }
}

/** Before the credential counts as used: a replacement that is of no use here must not end the key in its place. */
function refuseOther(session: Session, principal: Principal): void {
  if (principal.id !== session.principal.id)
    throw new ParleyError('PERMISSION_DENIED', {
      detail: 'The credentials are those of another principal',
      principal_id: session.principal.id,
    })
  refuseFewerScopes(session.principal, principal)
  requireWithin(profileOf(principal), profileOf(session.principal))
  refuseOtherRoles(session, principal)
}

/** It sits in rooms by the roles that it came with, which only coming back can change. */
function refuseOtherRoles(session: Session, { roles }: Principal): void {
  if (roles.toSorted().join() === session.principal.roles.toSorted().join()) return
  session.close(closeCodes.GOING_AWAY, 'Your roles have changed')
  throw new ParleyError('UNAUTHENTICATED', { detail: 'The roles have changed: connect again' })
}

/** It sits in rooms, and has tools, by what the old key was good for. */
function refuseFewerScopes({ credential: held }: Principal, { credential: shown }: Principal): void {
  if (held?.kind !== 'key' || shown?.kind !== 'key') return
  const scope = held.scopes.find((one) => !covers(shown.scopes, one))
  if (scope !== undefined) throw new ParleyError('PERMISSION_DENIED', { detail: 'The new key must have the scopes of the old one', scope })
}
