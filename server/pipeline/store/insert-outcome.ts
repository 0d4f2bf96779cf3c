import { mongo } from 'mongoose'
import { passes } from '../../core/out-of-reach.ts'

/** What came of an ordered insert. */
export type InsertOutcome =
  | { state: 'committed' }
  /** A place or a key is taken: everything before `index` is committed, nothing from it on was tried. */
  | { state: 'duplicate'; index: number; cause: unknown }
  /** The document at `index` is said to be refused. By whom, and what became of it and of those before it, only the log knows. */
  | { state: 'refused'; index: number; cause: unknown }
  /** No answer that can be trusted: what was sent may be there, or not. */
  | { state: 'unknown'; cause: unknown }
  /** The document at `index` cannot be sent at all, so nothing was. */
  | { state: 'unsendable'; index: number; cause: unknown }

/** What the failure of an insert says of what was written. */
export function outcomeOf(cause: unknown, documents: readonly object[]): InsertOutcome {
  const first = firstWriteError(cause)
  if (first !== undefined) return { ...first, cause }
  const index = isOfTheDriver(cause) ? documents.findIndex(isUnsendable) : -1
  return index === -1 ? { state: 'unknown', cause } : { state: 'unsendable', index, cause }
}

const LARGEST_DOCUMENT = 16 * 1024 * 1024

/** Thrown before anything was sent: sending the same again would fail for ever. */
function isOfTheDriver(cause: unknown): boolean {
  return cause instanceof Error && /^(MongoInvalidArgumentError|BSON\w*Error|TypeError|RangeError)$/.test(cause.name)
}

function isUnsendable(document: object): boolean {
  try {
    return mongo.BSON.calculateObjectSize(document, { ignoreUndefined: true }) >= LARGEST_DOCUMENT
  } catch {
    // What has no size in BSON cannot be sent.
    return true
  }
}

const DUPLICATE_KEY = 11_000

/** The operation at which an ordered insert stopped; undefined when the answer says nothing of the document itself. */
function firstWriteError(cause: unknown): { state: 'duplicate' | 'refused'; index: number } | undefined {
  if (typeof cause !== 'object' || cause === null || !('writeErrors' in cause)) return undefined
  if ('result' in cause && hasWriteConcernError(cause.result)) return undefined
  const first = [cause.writeErrors].flat().at(0) as { index?: unknown; code?: unknown; errmsg?: unknown } | undefined
  if (typeof first?.index !== 'number') return undefined
  if (first.code === DUPLICATE_KEY) return { state: 'duplicate', index: first.index }
  // Nothing is wrong with the document: the server could not, or could not just then.
  return passes(first) ? undefined : { state: 'refused', index: first.index }
}

function hasWriteConcernError(result: unknown): boolean {
  if (typeof result !== 'object' || result === null || !('getWriteConcernError' in result)) return false
  return typeof result.getWriteConcernError === 'function' && result.getWriteConcernError() != null
}
