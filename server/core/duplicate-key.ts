const DUPLICATE_KEY = 11_000
const INTERNAL_ERROR = 1
/** What PostgreSQL says underneath a FerretDB: an upsert whose filter misses a row that is there meets its own `_id`. */
const OF_POSTGRES = /duplicate key value violates unique constraint/

/** Whether the database refused a row because one with its key is there. FerretDB says so of an upsert in words of its own. */
export function isDuplicateKey(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false
  if (error.code === DUPLICATE_KEY) return true
  const words = 'message' in error ? error.message : 'errmsg' in error ? error.errmsg : undefined
  return error.code === INTERNAL_ERROR && typeof words === 'string' && OF_POSTGRES.test(words)
}
