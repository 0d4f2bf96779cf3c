import { type By, type KeyScope, ParleyError, type Profile, type RatesPatch } from '../../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../../shared/rules/canonical-json.ts'
import type { EndedKey } from '../../../core/access/ended-key.ts'
import type { Clock } from '../../../core/clock.ts'
import { type Audit, type AuditDraft, actorOf, recordThenAct } from '../../../pipeline/audit.ts'
import { createBatchedReads } from '../../../pipeline/store/batched-reads.ts'
import type { AgentKeyDocument, Model } from '../model.ts'
import { looksLikeApiKey, newApiKey } from './api-key.ts'
import { about, entry, type KeyEndings, type KeyEnds, nameOf, TELL_AGAIN_MS } from './key-endings.ts'
import { isOver, type KeyRegister } from './key-register.ts'
import type { KeyUses } from './key-uses.ts'
import type { Secrets } from './secrets.ts'

/** What a key is good for. Never changed after it was issued, and the same in the one that replaces it. */
export type KeyTerms = Pick<AgentKeyDocument, 'name' | 'scopes' | 'expires_at'> & {
  rates?: RatesPatch
  counted_as?: string
  profile?: Profile
}

export interface IssuedKey {
  key_id: string
  /** Shown once: not to a second try for a key that somebody has used already. */
  api_key?: string
  prefix: string
  last4: string
  scopes: KeyScope[]
  expires_at: string | null
  profile?: Profile
}

/** Who does something to a key: for its history, and for the audit trail. */
export interface Who {
  by: By
  asked: Pick<AuditDraft, 'actor' | 'correlation_id'>
}

/** The id of what a request makes, and whether a try before it may have made it. */
export interface Making {
  id: string
  again: boolean
}

export interface AgentKeysDeps {
  model: Model
  register: KeyRegister
  uses: KeyUses
  secrets: Secrets
  clock: Clock
  audit: Audit
  endings: KeyEndings
  /** Calls `settle` at a moment, on whatever node lives by then. */
  lookAt: KeyEnds['lookAt']
  dev_mode: boolean
}

/** Agents' keys: issued, rotated, used for the first time, ended. A key that ended is never good again, and its row stays. */
export function createAgentKeys({ model: { agentKeys }, register, uses, secrets, clock, audit, endings, lookAt, dev_mode }: AgentKeysDeps) {
  const now = () => new Date(clock.now())

  /** A key that is not there yet: `keep` makes it good. Its text is in `issued`, and nowhere else. */
  function make(
    agent_id: string,
    terms: KeyTerms,
    { by, id: _id }: Who & { id: string },
    after?: { old: AgentKeyDocument; grace_ms: number; reason?: string | undefined },
  ) {
    const { text, prefix, last4 } = newApiKey({ dev_mode })
    const at = now()
    const row: AgentKeyDocument = {
      ...{ _id, agent_id, family_id: after?.old.family_id ?? _id, ...secrets.hashApiKey(text), prefix, last4, ...terms },
      ...{ status: 'active', created_at: at, created_by: by, activated_at: null, last_used_at: null, uses: 0 },
      ...(after ? { rotated_from: { key_id: after.old._id, grace_ms: after.grace_ms } } : {}),
      history: [entry('created', at, by, { reason: after?.reason, key_id: after?.old._id })],
    }
    const { scopes, expires_at, profile } = terms
    const issued = {
      ...{ key_id: _id, api_key: text, prefix, last4, scopes, expires_at: expires_at?.toISOString() ?? null },
      ...(profile ? { profile } : {}),
    }
    return { row, issued }
  }

  /**
   * Answers the row that is there then. Throws KEY_LIMIT_REACHED. A second try makes the secret anew of a key that was made and never used,
   * for nobody has it; of one that was used, has ended, or was asked for on other terms (by another key, which may less) it answers the row
   * as it is.
   */
  async function keep(row: AgentKeyDocument, { again }: Pick<Making, 'again'>): Promise<AgentKeyDocument> {
    if (again) {
      const { _id, hash, pepper_version, prefix, last4 } = row
      const before = await agentKeys.findOne({ _id })
      if (before !== null && !hasSameTerms(before, row)) return before
      const unused = { _id, status: 'active', activated_at: null } as const
      const { matchedCount } = await agentKeys.updateOne(unused, { $set: { hash, pepper_version, prefix, last4 } })
      if (matchedCount === 1) return row
      const there = await agentKeys.findOne({ _id })
      if (there !== null) return there
    }
    await register.add(row.agent_id, { id: row._id, family_id: row.family_id })
    const look_ms = Math.min(
      row.untold ? clock.now() + TELL_AGAIN_MS : Number.POSITIVE_INFINITY,
      row.expires_at?.getTime() ?? Number.POSITIVE_INFINITY,
    )
    if (Number.isFinite(look_ms)) await lookAt(nameOf(row), look_ms)
    await agentKeys.insertOne(row)
    return row
  }

  async function issue(agent_id: string, terms: KeyTerms, who: Who, { id, again }: Making): Promise<IssuedKey> {
    const { row, issued } = make(agent_id, terms, { ...who, id })
    const metadata = { scopes: terms.scopes, expires_at: issued.expires_at, profile: terms.profile, ...(again ? { again } : {}) }
    const fresh = { ...row, untold: true as const }
    const there = await recordThenAct(audit, { type: 'key.created', ...who.asked, ...about(row), metadata }, () => keep(fresh, { again }))
    await endings.tellNew(there)
    return shown(issued, { row, there })
  }

  /**
   * Makes the key that replaces this one. The old one goes on until the new one is used, and for the grace from then on; without
   * grace it ends at once. Throws KEY_NOT_ACTIVE for a key that ended or was replaced; by the try before this one it may have been.
   */
  async function rotate(
    old: AgentKeyDocument,
    { grace_ms, reason, id, again }: { grace_ms: number; reason?: string | undefined } & Making,
    who: Who,
  ): Promise<IssuedKey> {
    const isOurs = again && old.rotated_to?.key_id === id
    if (!isOurs && (!isGood(old) || old.rotated_to?.at !== undefined)) throw wasReplaced(old)
    const { agent_id, name, scopes, rates, counted_as, profile, expires_at } = old
    const bounds = { ...(rates ? { rates } : {}), ...(counted_as ? { counted_as } : {}), ...(profile ? { profile } : {}) }
    const terms = { name, scopes, expires_at, ...bounds }
    const { row, issued } = make(agent_id, terms, { ...who, id }, { old, grace_ms, reason })
    const fresh = { ...row, untold: true as const }
    const metadata = { new_key_id: id, grace_ms, reason, ...(again ? { again } : {}) }
    const there = await recordThenAct(audit, { type: 'key.rotated', ...who.asked, ...about(old), metadata }, async () => {
      await supersede(old, id, { isOurs, reason, by: who.by })
      const kept = await keep(fresh, { again })
      if (grace_ms === 0 && old.status === 'active')
        await endings.close(old, { reason: 'rotated', why: reason, by: who.by, keepsOne: false })
      return kept
    })
    await endings.tellNew(there)
    return shown(issued, { row, there })
  }

  /**
   * From here on the old key is replaced by the next one, and by no other: a replacement that was never used (its answer may have been
   * lost) and a predecessor in its grace end. The old key's row decides against a replacement that comes into use in this very moment
   * (`startGrace`): one of the two finds it changed. Throws KEY_NOT_ACTIVE when that one was first.
   */
  async function supersede(
    { _id, family_id }: AgentKeyDocument,
    next_id: string,
    { isOurs, reason, by }: { isOurs: boolean; reason: string | undefined; by: By },
  ): Promise<void> {
    // Listed before, so that a replacement which is made behind this one is not among them. Ids go by time: see `uuidv7`.
    const isOther = { $nin: [_id, next_id], ...(isOurs ? { $lt: next_id } : {}) }
    const others = await agentKeys.find({ family_id, _id: isOther, status: 'active' }).toArray()
    if (!isOurs) {
      const rotated = entry('rotated', now(), by, { reason, key_id: next_id })
      const update = { $set: { 'rotated_to.key_id': next_id }, $push: { history: rotated } }
      const { matchedCount } = await agentKeys.updateOne({ _id, status: 'active', 'rotated_to.at': { $exists: false } }, update)
      if (matchedCount === 0) throw wasReplaced(await agentKeys.findOne({ _id }))
    }
    for (const other of others) await endings.close(other, { reason: 'rotated', by, keepsOne: false })
  }

  /** Revokes a key for good. Throws LAST_KEY when one must be left. Once more changes nothing. */
  async function revoke(
    key: AgentKeyDocument,
    { why, keepsOne }: { why?: string | undefined; keepsOne: boolean },
    who: Who,
  ): Promise<void> {
    if (key.status !== 'active') return
    const draft = { type: 'key.revoked', ...who.asked, ...about(key), metadata: { reason: why } } as const
    await recordThenAct(audit, draft, () => endings.close(key, { reason: 'revoked', why, by: who.by, keepsOne }))
  }

  /**
   * The good key of a text. Reads the store each time: what ended must not live on in a cache. Its first use is noted here, once `accept` has
   * not thrown: a key that is refused was not used, and ends no other one.
   */
  async function use(text: string, accept?: (key: AgentKeyDocument) => Promise<void>): Promise<AgentKeyDocument | undefined> {
    if (!looksLikeApiKey(text, { dev_mode })) return undefined
    const found = await Promise.all(secrets.apiKeyHashes(text).map(readByHash))
    const key = found.find((one) => one !== undefined)
    if (key === undefined || !isGood(key)) return undefined
    await accept?.(key)
    if (key.activated_at === null && !(await activate(key))) return undefined
    uses.note(key._id)
    return key
  }

  const readByHash = createBatchedReads(async (hashes) => {
    const rows = await agentKeys.find({ hash: { $in: hashes }, status: 'active' }).toArray()
    return new Map(rows.map((key) => [key.hash, key]))
  })

  /** The key of a text when it was good once and is so no more. */
  async function ended(text: string): Promise<EndedKey | undefined> {
    if (!looksLikeApiKey(text, { dev_mode })) return undefined
    const key = await agentKeys.findOne({ hash: { $in: secrets.apiKeyHashes(text) } })
    if (key === null || isGood(key)) return undefined
    return { key_id: key._id, agent_id: key.agent_id, reason: key.ended?.reason ?? (key.in_grace ? 'rotated' : 'expired') }
  }

  /**
   * From the first use of a replacement on, the old key has its grace. In this order: what a crash leaves undone, the next use does.
   * False for one that was itself replaced before it was ever used.
   */
  async function activate({ _id, agent_id, rotated_from }: AgentKeyDocument): Promise<boolean> {
    const at = now()
    if (rotated_from !== undefined && !(await startGrace(rotated_from, { next_id: _id, at }))) return false
    const by = { kind: 'agent' as const, id: agent_id }
    const update = { $set: { activated_at: at }, $push: { history: entry('activated', at, by) } }
    const { matchedCount } = await agentKeys.updateOne({ _id, activated_at: null }, update)
    if (matchedCount === 1) audit.record({ type: 'key.activated', actor: actorOf(by), ...about({ _id, agent_id }) })
    return true
  }

  /** False when the old key is replaced by another one. */
  async function startGrace({ key_id, grace_ms }: { key_id: string; grace_ms: number }, { next_id, at }: { next_id: string; at: Date }) {
    const old = await agentKeys.findOne({ _id: key_id })
    const isNext = (one: AgentKeyDocument | null) => (one?.rotated_to?.key_id ?? next_id) === next_id
    if (old === null || old.status !== 'active' || old.rotated_to?.at !== undefined || !isNext(old)) return isNext(old)
    const grace_ends_ms = at.getTime() + grace_ms
    const endsByGrace = grace_ends_ms < (old.expires_at?.getTime() ?? Number.POSITIVE_INFINITY)
    if (endsByGrace) await lookAt(nameOf(old), grace_ends_ms)
    const news = endsByGrace ? { expires_at: new Date(grace_ends_ms), in_grace: true as const } : {}
    const update = { $set: { 'rotated_to.key_id': next_id, 'rotated_to.at': at, ...news } }
    const isFree = { 'rotated_to.at': { $exists: false }, 'rotated_to.key_id': { $in: [next_id, null] } }
    const { matchedCount } = await agentKeys.updateOne({ _id: key_id, ...isFree }, update)
    return matchedCount === 1 || isNext(await agentKeys.findOne({ _id: key_id }))
  }

  function isGood(key: AgentKeyDocument): boolean {
    return key.status === 'active' && !isOver(key, clock.now())
  }

  async function find(agent_id: string, key_id: string): Promise<AgentKeyDocument | undefined> {
    return (await agentKeys.findOne({ _id: key_id, agent_id })) ?? undefined
  }

  return { make, keep, issue, rotate, revoke, use, ended, find }
}

function hasSameTerms(one: AgentKeyDocument, other: AgentKeyDocument): boolean {
  const [a, b] = [one, other].map(({ scopes, rates, profile, expires_at }) =>
    canonicalJson([scopes.toSorted(), rates ?? null, profile ?? null, expires_at?.toISOString() ?? null]),
  )
  return a === b
}

function wasReplaced(key: AgentKeyDocument | null): ParleyError {
  return new ParleyError('KEY_NOT_ACTIVE', { key_id: key?.rotated_to?.key_id ?? null })
}

/** The secret that was just made is shown where it is the one of the row that is there. */
function shown(issued: IssuedKey, { row, there }: Record<'row' | 'there', AgentKeyDocument>): IssuedKey {
  if (there.hash === row.hash) return issued
  const { api_key: _, ...known } = issued
  const { prefix, last4, scopes, expires_at } = there
  return { ...known, prefix, last4, scopes, expires_at: expires_at?.toISOString() ?? null }
}

export type AgentKeys = ReturnType<typeof createAgentKeys>
