import { createHmac, hash, type KeyObject, randomUUID } from 'node:crypto'
import type { mongo } from 'mongoose'
import { ParleyError } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import { isDuplicateKey } from '../../../core/duplicate-key.ts'

/** An answer as it is kept: what a second request with the same key gets. */
export interface KeptAnswer {
  status: number
  headers: Record<string, string>
  /** JSON, as text: member names of any kind, `$` and dots among them, are no business of the database. */
  body: string | null
}

export interface IdempotencyDocument {
  /** Of the key, whose it is, and what it was used on. */
  _id: string
  /** Under a key that the database does not have: a password in it must not be open to guesses that cost nothing. */
  payload: string
  /** Of the first try. What the request makes has its id from this moment, so that each try makes the same. */
  made_at: Date
  expires_at: Date
  /** The try that is under way, and until when nobody else takes it up. */
  held_by: string
  held_until: Date
  answer?: KeptAnswer
}

/** `again`: a first try was cut off. */
export type Begun = { kind: 'go'; made_at_ms: number; held_by: string; again: boolean } | { kind: 'replay'; answer: KeptAnswer }

const KEEP_MS = 24 * 3_600_000
// Longer than a request may take, so that a hub which still works is not overtaken.
const HOLD_MS = 60_000
/** Of a hub whose clock is as far ahead as that; what is held for longer was taken before the clock was set back. */
const MOST_AHEAD_MS = 60_000
const ASK_AGAIN_MS = 1_000

/** Which keys were used, for what, and what was answered: for 24 hours by the hub's clock, on all nodes, over restarts. */
export function createIdempotencyStore({
  collection,
  clock,
  payloadKey,
}: {
  collection: mongo.Collection<IdempotencyDocument>
  clock: Clock
  /** All hubs on the database have the same. */
  payloadKey: KeyObject
}) {
  /** Takes the key for this try, or says what was answered before. Throws KEY_REUSED and REQUEST_IN_FLIGHT. */
  async function begin({ scope, payload: text }: { scope: string; payload: string }): Promise<Begun> {
    const _id = hash('sha256', scope, 'base64url')
    const payload = createHmac('sha256', payloadKey).update(text).digest('base64url')
    for (;;) {
      const now = clock.now()
      const mine = { held_by: randomUUID(), held_until: new Date(now + HOLD_MS) }
      const fresh = { payload, made_at: new Date(now), expires_at: new Date(now + KEEP_MS), ...mine }
      const begun = { kind: 'go', made_at_ms: now, held_by: mine.held_by, again: false } as const
      if (await inserts({ _id, ...fresh })) return begun
      const known = await collection.findOne({ _id })
      if (known === null) continue // swept this moment: it is free again
      const unchanged = { _id, held_by: known.held_by, expires_at: known.expires_at, answer: { $exists: known.answer !== undefined } }
      if (known.expires_at.getTime() <= now) {
        // The database sweeps by a clock of its own, and late.
        const renewed = await collection.updateOne(unchanged, { $set: fresh, $unset: { answer: '' } })
        if (renewed.modifiedCount === 1) return begun
        continue
      }
      if (known.payload !== payload) throw new ParleyError('KEY_REUSED', { header: 'Idempotency-Key' })
      if (known.answer !== undefined) return { kind: 'replay', answer: known.answer }
      const held_ms = known.held_until.getTime() - now
      if (held_ms > 0 && held_ms <= HOLD_MS + MOST_AHEAD_MS) throw new ParleyError('REQUEST_IN_FLIGHT', { retry_after_ms: ASK_AGAIN_MS })
      const taken = await collection.updateOne(unchanged, { $set: mine })
      if (taken.modifiedCount === 1) return { ...begun, made_at_ms: known.made_at.getTime(), again: true }
    }
  }

  async function inserts(document: IdempotencyDocument): Promise<boolean> {
    try {
      await collection.insertOne(document)
      return true
    } catch (error) {
      if (isDuplicateKey(error)) return false
      throw error
    }
  }

  return {
    begin,
    /** The try ended with this answer. */
    async keep(held_by: string, scope: string, answer: KeptAnswer): Promise<void> {
      await collection.updateOne({ _id: hash('sha256', scope, 'base64url'), held_by }, { $set: { answer } })
    },
    /** The try was refused, so nothing happened: the key may be used again, for another payload too. */
    async forget(held_by: string, scope: string): Promise<void> {
      await collection.deleteOne({ _id: hash('sha256', scope, 'base64url'), held_by })
    },
    /** The try failed, and it is not known what it did: the same request may go on at once, with the same ids. */
    async letGo(held_by: string, scope: string): Promise<void> {
      await collection.updateOne({ _id: hash('sha256', scope, 'base64url'), held_by }, { $set: { held_until: new Date(0) } })
    },
  }
}

export type IdempotencyStore = ReturnType<typeof createIdempotencyStore>
