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
import type { AgentKeyDocument } from '../model.ts'
import type { KeyTerms } from './agent-keys.ts'

/** The key that asks, as it lies in the store. */
export type HeldKey = Pick<AgentKeyDocument, 'scopes' | 'expires_at' | 'rates' | 'counted_as' | 'family_id' | 'profile'>

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
  { issuer, held, grants, now_ms }: { issuer: Principal; held: HeldKey | undefined; grants: Permissions; now_ms: number },
): KeyTerms {
  const shown = issuer.credential?.kind === 'key' ? issuer.credential : undefined
  const scopes = asked.scopes ?? [...(shown?.scopes ?? [ALL_SCOPES])]
  requireCover(shown?.scopes ?? [ALL_SCOPES], scopes)
  refuseUngranted(scopes, grants)
  const expires_at = endOf(asked, held)
  if (expires_at !== null && expires_at.getTime() <= now_ms) throw invalid('/expires_at', 'is over already')
  if (asked.rates !== undefined && !isOperator(issuer)) {
    throw new ParleyError('PERMISSION_DENIED', { detail: 'Only an admin gives a key rates of its own', allowed: ['admin'] })
  }
  const profile = handedOn(profileOf(issuer), asked.profile)
  const rates = asked.rates ?? held?.rates
  // Or an agent could leave its bounds behind by a new key, or have them once for each.
  const counted_as = held?.rates || held?.profile ? (held.counted_as ?? held.family_id) : undefined
  const bounds = { ...(rates ? { rates } : {}), ...(profile ? { profile } : {}), ...(counted_as ? { counted_as } : {}) }
  return { name: asked.name ?? null, scopes: [...new Set(scopes)], expires_at, ...bounds }
}

function endOf({ expires_at }: AskedTerms, held: HeldKey | undefined): Date | null {
  const end = expires_at === undefined ? (held?.expires_at ?? null) : expires_at === null ? null : new Date(expires_at)
  requireNoLater(held, end)
  return end
}

/** Or who has a key for a day would have one for good. */
function requireNoLater(held: HeldKey | undefined, end: Date | null): void {
  const last = held?.expires_at ?? null
  if (last === null || (end !== null && end.getTime() <= last.getTime())) return
  throw new ParleyError('PERMISSION_DENIED', {
    detail: `A key hands on none that ends later than itself, at ${last.toISOString()}`,
    allowed: ['owner', 'admin'],
  })
}

/** Whoever rotates a key comes by its secret: throws PERMISSION_DENIED or PROFILE_VIOLATED for one that may more than the key in hand. */
export function requireNoMore(held: HeldKey | undefined, key: AgentKeyDocument): void {
  if (held === undefined) return
  requireCover(held.scopes, key.scopes)
  requireNoLater(held, key.expires_at)
  requireWithin(held.profile, key.profile)
  for (const [policy, most] of Object.entries(held.rates ?? {})) {
    const rate = key.rates?.[policy as keyof RatesPatch]
    if (rate !== undefined && rate.q * most.w <= most.q * rate.w && rate.q <= most.q) continue
    throw new ParleyError('PERMISSION_DENIED', {
      detail: `The key has a rate of its own for '${policy}', and that one has none as low`,
      allowed: ['owner', 'admin'],
    })
  }
}

/** What is not asked for stays as the key in hand has it, and what is asked for may only be narrower. */
function handedOn(held: Profile | undefined, asked: Profile | undefined): Profile | undefined {
  if (held === undefined) return asked
  const given = { ...held, ...asked }
  requireWithin(held, given)
  return given
}

/** Throws PERMISSION_DENIED that names the first scope which the key in hand does not cover. */
function requireCover(held: readonly KeyScope[], wanted: readonly KeyScope[]): void {
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
