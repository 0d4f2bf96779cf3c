import { mongo } from 'mongoose'

/** What came of an ordered insert. */
export type InsertOutcome =
  | { state: 'committed' }
  /** Everything before `index` is committed, nothing from it on was tried. */
  | { state: 'stopped'; index: number; duplicate: boolean; cause: unknown }
  /** No answer that can be trusted: what was sent may be there, or not. */
  | { state: 'unknown'; cause: unknown }
  /** The document at `index` cannot be sent at all, so nothing was. */
  | { state: 'unsendable'; index: number; cause: unknown }

/** What the failure of an insert says of what was written. */
export function outcomeOf(cause: unknown, documents: readonly object[]): InsertOutcome {
  const failure = firstWriteError(cause)
  if (failure !== undefined) return { state: 'stopped', ...failure, cause }
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

/** The operation at which an ordered insert stopped; undefined when the answer does not say what was written. */
function firstWriteError(cause: unknown): { index: number; duplicate: boolean } | undefined {
  if (typeof cause !== 'object' || cause === null || !('writeErrors' in cause)) return undefined
  if ('result' in cause && hasWriteConcernError(cause.result)) return undefined
  const first = [cause.writeErrors].flat().at(0) as { index?: unknown; code?: unknown; errmsg?: unknown } | undefined
  if (wasGivenUp(first?.errmsg)) return undefined
  return typeof first?.index === 'number' ? { index: first.index, duplicate: first.code === DUPLICATE_KEY } : undefined
}

/**
 * Two writers waited for each other, and the database gave one up: what PostgreSQL says underneath a FerretDB (SQLSTATE 40P01, 40001). Nothing is
 * wrong with the document, and what was written before it may have been taken back.
 */
function wasGivenUp(words: unknown): boolean {
  return typeof words === 'string' && /deadlock detected|could not serialize access/.test(words)
}

function hasWriteConcernError(result: unknown): boolean {
  if (typeof result !== 'object' || result === null || !('getWriteConcernError' in result)) return false
  return typeof result.getWriteConcernError === 'function' && result.getWriteConcernError() != null
}
