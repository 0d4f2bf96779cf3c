import { type By, type KeyEndReason, type ProfileRule, profileRules } from '../../../../shared/protocol/index.ts'
import { byOf, system } from '../../../core/access/principal.ts'
import type { Clock } from '../../../core/clock.ts'
import { type Audit, actorOf } from '../../../pipeline/audit.ts'
import type { Fired } from '../../../pipeline/background/timers.ts'
import type { AgentKeyDocument, KeyHistoryEntry, Model } from '../model.ts'
import { isOver, type KeyRegister } from './key-register.ts'

/** What a new key, and the end of one, mean elsewhere. */
export interface KeyEnds {
  /** Calls `settle` then, on whatever node lives by that time. */
  lookAt(key: { key_id: string; agent_id: string }, due_ms: number): Promise<void>
  /** Tells the rooms of the agent that it has one more, and what bounds it. */
  tellNew(key: { key_id: string; agent_id: string; bounds: ProfileRule[] }): Promise<void>
  /** Tells the rooms of the agent, and cuts what the key holds open. */
  tell(key: { key_id: string; agent_id: string; reason: KeyEndReason }): Promise<void>
  settled(key: { key_id: string; agent_id: string }): Promise<void>
}

export interface EndingsDeps {
  model: Model
  register: KeyRegister
  ends: KeyEnds
  clock: Clock
  audit: Audit
  onTrouble(what: string, cause: unknown): void
}

/** So long a node has to tell by itself. */
export const TELL_AGAIN_MS = 5_000

/** How keys end: for good, and so that every room of the agent hears of it, whatever becomes of this node meanwhile. */
export function createKeyEndings({ model: { agentKeys }, register, ends, clock, audit, onTrouble }: EndingsDeps) {
  /**
   * Throws LAST_KEY when one must be left. Once more changes nothing. In this order, so that a crash at any place leaves a key that is
   * good, or one whose end is told.
   */
  async function close(
    key: AgentKeyDocument,
    { reason, why, by, keepsOne }: { reason: KeyEndReason; why?: string | undefined; by: By; keepsOne: boolean },
  ): Promise<void> {
    const { _id, agent_id } = key
    await ends.lookAt(nameOf(key), clock.now() + TELL_AGAIN_MS)
    await register.remove(agent_id, _id, { keepsOne })
    const at = new Date(clock.now())
    const told = entry(reason === 'expired' ? 'expired' : 'revoked', at, by, { reason: why ?? (reason === 'rotated' ? reason : undefined) })
    const update = { $set: { status: 'revoked' as const, ended: { at, by, reason } }, $push: { history: told } }
    await agentKeys.updateOne({ _id, status: 'active' }, update)
    // It has ended, whatever comes now: who cannot be told at once is told by the timer.
    await tell({ ...key, ended: { at, by, reason } }).catch((cause: unknown) => onTrouble('the end of a key was not told', cause))
  }

  async function tell({ _id, agent_id, ended }: AgentKeyDocument): Promise<void> {
    await ends.tell({ key_id: _id, agent_id, reason: ended?.reason ?? 'revoked' })
    await agentKeys.updateOne({ _id }, { $set: { 'ended.told_at': new Date(clock.now()) } })
    await ends.settled({ key_id: _id, agent_id })
  }

  /** Its row is there, and the timer set that tells what a crash leaves untold. Never rejects. */
  async function tellNew(key: AgentKeyDocument): Promise<void> {
    await introduce(key).catch((cause: unknown) => onTrouble('a new key was not told', cause))
  }

  async function introduce({ _id, agent_id, profile = {} }: AgentKeyDocument): Promise<void> {
    const bounds = profileRules.filter((rule) => profile[rule] !== undefined)
    await ends.tellNew({ key_id: _id, agent_id, bounds })
    await agentKeys.updateOne({ _id }, { $unset: { untold: '' } })
  }

  /** Ends a key whose time is over, and tells what is not told. Answers when to look again. */
  async function settle(key_id: string): Promise<Fired> {
    const key = await agentKeys.findOne({ _id: key_id })
    if (key === null || key.ended?.told_at !== undefined) return { done: true }
    if (key.status === 'revoked') await tell(key)
    else if (isOver(key, clock.now())) await expire(key)
    else {
      if (key.untold) await introduce(key)
      if (key.expires_at !== null) return { due_ms: key.expires_at.getTime() }
    }
    return { done: true }
  }

  async function expire(key: AgentKeyDocument): Promise<void> {
    const reason = key.in_grace ? 'rotated' : 'expired'
    const type = reason === 'expired' ? 'key.expired' : 'key.revoked'
    audit.record({ type, actor: actorOf(system), ...about(key), metadata: { reason } })
    await close(key, { reason, by: byOf(system), keepsOne: false })
  }

  return { close, tellNew, settle }
}

export type KeyEndings = ReturnType<typeof createKeyEndings>

export function nameOf({ _id, agent_id }: Pick<AgentKeyDocument, '_id' | 'agent_id'>) {
  return { key_id: _id, agent_id }
}

/** The key as the audit trail names it. */
export function about({ _id, agent_id }: Pick<AgentKeyDocument, '_id' | 'agent_id'>) {
  return { subject: { type: 'key', id: _id }, key_id: _id, agent_ids: [agent_id] }
}

export function entry(
  type: KeyHistoryEntry['type'],
  at: Date,
  by: By,
  { reason, key_id }: { reason?: string | undefined; key_id?: string | undefined } = {},
): KeyHistoryEntry {
  return { type, at, by, ...(reason === undefined ? {} : { reason }), ...(key_id === undefined ? {} : { key_id }) }
}
