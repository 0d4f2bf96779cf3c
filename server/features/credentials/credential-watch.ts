import { type CloseCode, closeCodes } from '../../../shared/protocol/index.ts'
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
  /** From here on a handshake of the principal that is under way is looked at again. */
  hear(principal_id: string): void
  /** Tells the nodes where the principal is connected to look. */
  tellPeers(principal_id: string): void
  lookUp(shown: readonly Principal[]): Promise<Map<string, { ended?: Pick<Cut, 'code' | 'reason'>; expires_at_ms?: number | null }>>
  /** Folds the rooms of the principal that this node has up to their ends, so that its connections get the events up to their own. */
  refreshRooms(principal_id: string): Promise<void>
  /** Resolves when this node's frames that were decided already are in the log. */
  decided(): Promise<void>
  /** Resolves when what the principal has begun by HTTP on this node is done. */
  settledWrites(principal_id: string): Promise<void>
  background: Background
}

const COME_BACK = { code: closeCodes.GOING_AWAY, reason: 'Your credentials are to be looked at again' }

/** Ends the connections of credentials that have ended, wherever they are, by what the store says. What the bus loses, the sweep finds. */
export function createCredentialWatch(deps: CredentialWatchDeps) {
  const { cutHere, sessionsHere, tellPeers, lookUp, refreshRooms, background } = deps

  async function look(principal_id?: string): Promise<void> {
    const seen = new Set<Session>()
    for (let open = sessionsHere(principal_id); open.length > 0; ) {
      await lookAt(open)
      for (const session of open) seen.add(session)
      // One that was opened meanwhile may have been let in by what held before.
      open = principal_id === undefined ? [] : sessionsHere(principal_id).filter((session) => !seen.has(session))
    }
  }

  async function lookAt(open: readonly Session[]): Promise<void> {
    const found = await lookUp(open.map(({ principal }) => principal))
    const keys: Cut[] = []
    for (const session of open) {
      const { id: holder, credential } = session.principal
      const { ended, expires_at_ms } = found.get(credential?.id ?? '') ?? {}
      if (ended !== undefined && credential !== undefined) {
        const cut = { principal_id: holder, credential_id: credential.id, ...ended }
        // The end of a key stands in its rooms; a human's stands nowhere, so nothing is waited for.
        if (credential.kind === 'key') keys.push(cut)
        else cutHere(cut)
      } else if (expires_at_ms !== undefined) session.expireAt(expires_at_ms)
    }
    const troubles: unknown[] = []
    // The others' must not live on for one that fails.
    for (const key of keys) await endKey(key).catch((cause: unknown) => troubles.push(cause))
    if (troubles.length > 0) throw new AggregateError(troubles, 'rooms were not folded up to the end of a credential')
  }

  async function endKey(cut: Cut): Promise<void> {
    try {
      await refreshRooms(cut.principal_id)
    } finally {
      cutHere(cut)
    }
  }

  function lookHere(principal_id: string): Promise<void> {
    deps.hear(principal_id)
    const looked = look(principal_id)
    background.run('the credentials of a principal were not looked up', looked)
    return looked
  }

  /** Where the store does not say who must go, all must come back, and show what they have. */
  function sendBack(principal_id: string): void {
    for (const { principal } of sessionsHere(principal_id)) {
      if (principal.credential !== undefined) cutHere({ principal_id, credential_id: principal.credential.id, ...COME_BACK })
    }
  }

  return {
    /**
     * On this node and all others: something about the principal's credentials is not what it was. When it resolves, no connection of this node
     * reads or writes any more by what has ended, and no request writes. Never rejects.
     */
    async recheck(principal_id: string): Promise<void> {
      tellPeers(principal_id)
      await lookHere(principal_id).catch(() => sendBack(principal_id))
      await Promise.all([deps.decided(), deps.settledWrites(principal_id)])
    },
    /** Another node said so. */
    hear: (principal_id: string): void => void lookHere(principal_id).catch(() => undefined), // told by the background
    sweep: () => look(),
  }
}

export type CredentialWatch = ReturnType<typeof createCredentialWatch>
