import type { CloseCode } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import type { Background } from '../../pipeline/background/background.ts'
import type { Session } from '../../pipeline/session.ts'

export interface Cut {
  principal_id: string
  credential_id: string
  code: CloseCode
  reason: string
}

export interface CredentialWatchDeps {
  cutHere(end: Cut): void
  /** The connections of this node whose credential can end; of one principal, or all. */
  sessionsHere(principal_id?: string): Session[]
  /** Tells the nodes where the principal is connected to look. */
  tellPeers(principal_id: string): void
  lookUp(shown: readonly Principal[]): Promise<Map<string, { ended?: Pick<Cut, 'code' | 'reason'>; expires_at_ms?: number | null }>>
  /** Folds the rooms of the principal that this node has up to their ends, so that its connections get the events up to their own. */
  refreshRooms(principal_id: string): Promise<void>
  background: Background
}

/** Ends the connections of credentials that have ended, wherever they are, by what the store says. What the bus loses, the sweep finds. */
export function createCredentialWatch({ cutHere, sessionsHere, tellPeers, lookUp, refreshRooms, background }: CredentialWatchDeps) {
  async function look(principal_id?: string): Promise<void> {
    const open = sessionsHere(principal_id)
    if (open.length === 0) return
    const found = await lookUp(open.map(({ principal }) => principal))
    const troubles: unknown[] = []
    for (const session of open) {
      const { id: holder, credential } = session.principal
      const { ended, expires_at_ms } = found.get(credential?.id ?? '') ?? {}
      try {
        if (ended !== undefined && credential !== undefined) await end({ principal_id: holder, credential_id: credential.id, ...ended })
        else if (expires_at_ms !== undefined) session.expireAt(expires_at_ms)
      } catch (cause) {
        // The others' must not live on for it.
        troubles.push(cause)
      }
    }
    if (troubles.length > 0) throw new AggregateError(troubles, 'rooms were not folded up to the end of a credential')
  }

  async function end(cut: Cut): Promise<void> {
    try {
      await refreshRooms(cut.principal_id)
    } finally {
      cutHere(cut)
    }
  }

  function lookHere(principal_id: string): void {
    background.run('the credentials of a principal were not looked up', look(principal_id))
  }

  return {
    /** On this node and all others: something about the principal's credentials is not what it was. */
    recheck(principal_id: string): void {
      lookHere(principal_id)
      tellPeers(principal_id)
    },
    /** Another node said so. */
    hear: lookHere,
    sweep: () => look(),
  }
}

export type CredentialWatch = ReturnType<typeof createCredentialWatch>
