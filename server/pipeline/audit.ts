import {
  type AuditActor,
  type AuditSubject,
  type AuditType,
  type ErrorFacts,
  ParleyError,
  type PlainCode,
  type Severity,
} from '../../shared/protocol/index.ts'
import type { Principal } from '../core/access/principal.ts'
import { networkOf } from '../core/network-of.ts'
import type { RouteRequest } from './http/route.ts'

/** What a feature tells the audit trail. Secrets do not belong in it; what looks like one is taken out all the same. */
export interface AuditDraft {
  type: AuditType
  actor: AuditActor
  subject: AuditSubject
  /** The type's own, unless it is said. */
  severity?: Severity
  correlation_id?: string
  /** The `event_id` of what led to it. */
  causation_id?: string
  key_id?: string
  task_id?: string
  /** Agents that it concerns, beside actor and subject: their owners may read it. */
  agent_ids?: readonly string[]
  /** Small and flat: long texts and lists are cut. */
  metadata?: Record<string, unknown>
}

/**
 * The trail of what matters to security, which nobody can edit. Tool calls and changes of the floor lie in the rooms' logs, and are
 * found there: they are not told here again.
 */
export interface Audit {
  /**
   * For what has happened anyway: returns at once, never throws, and is durable soon. While the database is away it is kept, up to a
   * bound; what goes over it is counted, and the count recorded. Refusals of one kind by one source are counted, not repeated.
   */
  record(draft: AuditDraft): void
  /**
   * For what must not happen unrecorded (a key, a permission, a role): await it first, then act. Resolves with the `event_id` once it is
   * durable; throws UNAVAILABLE or OVERLOADED when it cannot be, and then nothing may be done. `recordThenAct` does both.
   */
  recordNow(draft: AuditDraft): Promise<string>
}

/** For tools and tests that keep no trail. */
export const noAudit: Audit = { record: () => {}, recordNow: () => Promise.resolve('') }

/** A principal as the trail names it. */
export function actorOf({ kind, id }: Pick<Principal, 'kind' | 'id'>): AuditActor {
  return { type: kind === 'user' ? 'human' : kind, id }
}

/** Whoever sits at a network address and has proven nothing. */
export function stranger(network: string): AuditActor {
  return { type: 'anonymous', id: network }
}

/** Who asked by a request, and for which one: the beginning of a draft. */
export function askedBy({ principal, ip, correlation_id }: Pick<RouteRequest, 'principal' | 'ip' | 'correlation_id'>) {
  const actor = principal === undefined ? stranger(networkOf(ip)) : actorOf(principal)
  const credential = principal?.credential
  return { actor, correlation_id, ...(credential?.kind === 'key' ? { key_id: credential.id } : {}) }
}

export type Asked = ReturnType<typeof askedBy>

const in_trail = Symbol('in the audit trail already')

/** The refusal of what the caller has recorded itself, so that the door does not tell it again. */
export function refusedAndRecorded(code: PlainCode, facts: ErrorFacts = {}): ParleyError {
  return new ParleyError(code, facts, { cause: in_trail })
}

export function isInTrail({ cause }: ParleyError): boolean {
  return cause === in_trail
}

/** Records, and only then acts. An act that fails afterwards is recorded too, with the first event as its cause. */
export async function recordThenAct<T>(audit: Audit, draft: AuditDraft, act: () => Promise<T>): Promise<T> {
  const causation_id = await audit.recordNow(draft)
  try {
    return await act()
  } catch (error) {
    const code = error instanceof ParleyError ? error.code : 'INTERNAL'
    audit.record({ ...draft, severity: 'warn', causation_id, metadata: { ...draft.metadata, outcome: 'failed', code } })
    throw error
  }
}
