import {
  ALL_SCOPES,
  type KeyScope,
  ParleyError,
  type Permissions,
  type Profile,
  type RatesPatch,
  type ScopeRow,
  scopeTable,
} from '../../../../shared/protocol/index.ts'
import { isOperator, type Principal } from '../../../core/access/principal.ts'
import { profileOf, requireWithin } from '../../../core/access/profile.ts'
import { covers } from '../../../core/access/scopes.ts'
import type { KeyTerms } from './agent-keys.ts'

export interface AskedTerms {
  name?: string
  scopes?: KeyScope[]
  expires_at?: string | null
  rates?: RatesPatch
  profile?: Profile
}

/**
 * What a new key is good for: never more than its agent may, and, where a key asks for it, never more than that key. Throws
 * PERMISSION_DENIED, PROFILE_VIOLATED or REQUEST_INVALID.
 */
export function termsOf(
  asked: AskedTerms,
  { issuer, grants, now_ms }: { issuer: Principal; grants: Permissions; now_ms: number },
): KeyTerms {
  const shown = issuer.credential?.kind === 'key' ? issuer.credential : undefined
  const scopes = asked.scopes ?? [...(shown?.scopes ?? [ALL_SCOPES])]
  requireCover(shown?.scopes ?? [ALL_SCOPES], scopes)
  refuseUngranted(scopes, grants)
  const expires_at = asked.expires_at == null ? null : new Date(asked.expires_at)
  if (expires_at !== null && expires_at.getTime() <= now_ms) throw invalid('/expires_at', 'is over already')
  if (asked.rates !== undefined && !isOperator(issuer)) {
    throw new ParleyError('PERMISSION_DENIED', { detail: 'Only an admin gives a key rates of its own', allowed: ['admin'] })
  }
  // Or an agent could leave its bounds behind by a new key.
  const rates = asked.rates ?? shown?.rates
  const profile = handedOn(profileOf(issuer), asked.profile)
  const bounds = { ...(rates ? { rates } : {}), ...(profile ? { profile } : {}) }
  return { name: asked.name ?? null, scopes: [...new Set(scopes)], expires_at, ...bounds }
}

/** What is not asked for stays as the key in hand has it, and what is asked for may only be narrower. */
function handedOn(held: Profile | undefined, asked: Profile | undefined): Profile | undefined {
  if (held === undefined) return asked
  const given = { ...held, ...asked }
  requireWithin(held, given)
  return given
}

/** Throws PERMISSION_DENIED that names the first scope which the key in hand does not cover. */
export function requireCover(held: readonly KeyScope[], wanted: readonly KeyScope[]): void {
  const scope = wanted.find((one) => !covers(held, one))
  if (scope === undefined) return
  throw new ParleyError('PERMISSION_DENIED', { detail: `A key hands on only what it has, and it lacks the scope '${scope}'`, scope })
}

function refuseUngranted(scopes: readonly KeyScope[], grants: Permissions): void {
  for (const [at, scope] of scopes.entries()) {
    const row: ScopeRow | undefined = scope === ALL_SCOPES ? undefined : scopeTable[scope]
    if (row?.permission !== undefined && !grants[row.permission]) throw invalid(`/scopes/${at}`, `the agent lacks ${row.permission}`)
  }
}

function invalid(pointer: string, detail: string): ParleyError {
  return new ParleyError('REQUEST_INVALID', { errors: [{ pointer, detail }] })
}
