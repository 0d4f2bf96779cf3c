/** What the driver throws when no server answers it. By name, for the driver makes a class of its own for each. */
const OF_THE_DRIVER =
  /^Mongo(ServerSelection|Network|NetworkTimeout|NotConnected|TopologyClosed|ClientClosed|PoolCleared|PoolClosed|WaitQueueTimeout|OperationTimeout)/

/** A connection that breaks in the middle of a large write: the driver passes on what the system called it. */
const OF_THE_SYSTEM = new Set(['ECONNRESET', 'EPIPE', 'ECONNREFUSED', 'ECONNABORTED', 'ETIMEDOUT', 'ENETUNREACH', 'EHOSTUNREACH'])

/**
 * A server that answers and does nothing now: it stops, it is not the primary any more, its disk is full, it gave up waiting for another
 * writer or another server. Codes of MongoDB; a router passes on as the refusal of a document what befell the server behind it.
 */
const OF_THE_SERVER = new Set([
  ...[6, 7, 24, 46, 50, 63, 64, 89, 91, 100, 112, 133, 134, 150, 189, 202, 262, 365, 384, 462],
  ...[9_001, 10_058, 10_107, 11_600, 11_601, 11_602, 13_388, 13_435, 13_436, 14_031],
])

/** The same in the words of PostgreSQL underneath a FerretDB, which has no codes for them (SQLSTATE 40, 53, 55P03, 57). */
const OF_POSTGRES = new RegExp(
  [
    'deadlock detected|could not serialize access|canceling statement due to|lock timeout',
    'No space left on device|out of (shared )?memory|too many clients|remaining connection slots',
    'read-only transaction|terminating connection|system is (shutting down|starting up|in recovery mode)',
  ].join('|'),
)

/** Whether the error of a server says that it could not just then, and nothing of what it was asked. */
export function passes({ code, errmsg }: { code?: unknown; errmsg?: unknown }): boolean {
  return OF_THE_SERVER.has(code as number) || (typeof errmsg === 'string' && OF_POSTGRES.test(errmsg))
}

/** Whether the database could not be asked, or could not serve: the same again may work later, and it is no fault of ours. */
export function isOutOfReach(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (OF_THE_DRIVER.test(error.name)) return true
  const code: unknown = 'code' in error ? error.code : undefined
  if (typeof code === 'string') return OF_THE_SYSTEM.has(code)
  return error.name.startsWith('Mongo') && passes({ code, errmsg: error.message })
}
