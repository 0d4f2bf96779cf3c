import type { Response } from 'express'
import { ParleyError, type RatePolicy, type Rates } from '../../../shared/protocol/index.ts'
import { countedAs, isOperator, type Principal } from '../../core/access/principal.ts'
import { networkOf } from '../../core/network-of.ts'
import type { Route } from '../../pipeline/http/route.ts'
import type { RateStore } from './rate-store.ts'

/** Counted for an address, whoever asks: before these it is not proven who asks, or it costs nothing to be another. */
const BY_ADDRESS: ReadonlySet<RatePolicy> = new Set(['login', 'register'])

/**
 * Counts a request against its policy, for its principal or, when there is none, its address, and says so in the answer's headers
 * (draft-ietf-httpapi-ratelimit-headers). Throws RATE_LIMITED. The operator is not counted, nor are public routes and files.
 */
export function createRateGate({ rates, rateStore }: { rates: Rates; rateStore: RateStore }) {
  return async function takeRate({
    route,
    principal,
    response,
    ip,
  }: {
    route: Route
    principal: Principal | undefined
    response: Response
    ip: string
  }): Promise<void> {
    if (principal !== undefined && isOperator(principal)) return
    const policy = route.rate ?? (route.method === 'GET' ? 'read' : 'write')
    const key = principal?.credential?.kind === 'key' ? principal.credential : undefined
    const own = BY_ADDRESS.has(policy) ? undefined : key?.rates?.[policy]
    const rate = own ?? rates[policy]
    const { left, resets_ms, refused } = await rateStore.take(policy, rate, subjectOf(policy, { principal, hasOwn: own !== undefined, ip }))
    const resets_s = Math.ceil(resets_ms / 1_000)
    response.setHeader('RateLimit-Policy', `"${policy}";q=${rate.q};w=${rate.w}`)
    response.setHeader('RateLimit', `"${policy}";r=${left};t=${resets_s}`)
    if (refused) throw new ParleyError('RATE_LIMITED', { retry_after_ms: Math.max(resets_ms, 1), policy, ...rate })
  }
}

/** A key with a rate of its own is counted by itself, with those that it handed the rate on to; otherwise all that a principal shows count together. */
function subjectOf(
  policy: RatePolicy,
  { principal, hasOwn, ip }: { principal: Principal | undefined; hasOwn: boolean; ip: string },
): string {
  if (principal === undefined || BY_ADDRESS.has(policy)) return `address:${networkOf(ip)}`
  if (hasOwn) return `key:${countedAs(principal)}`
  return `${principal.kind}:${principal.id}`
}
