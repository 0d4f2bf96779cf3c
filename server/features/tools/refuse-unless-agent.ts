import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'

/** A human provider has no tools, so no calls to answer. */
export function refuseUnlessAgent(actor: Principal): void {
  if (actor.kind !== 'agent')
    throw new ParleyError('PERMISSION_DENIED', { detail: 'Only the agent that was called answers a call', allowed: ['provider'] })
}
