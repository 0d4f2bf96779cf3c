/** What the driver throws when no server answers it. By name, for the driver makes a class of its own for each. */
const OF_THE_DRIVER =
  /^Mongo(ServerSelection|Network|NetworkTimeout|NotConnected|TopologyClosed|ClientClosed|PoolCleared|PoolClosed|WaitQueueTimeout|OperationTimeout)/

/** A connection that breaks in the middle of a large write: the driver passes on what the system called it. */
const OF_THE_SYSTEM = new Set(['ECONNRESET', 'EPIPE', 'ECONNREFUSED', 'ECONNABORTED', 'ETIMEDOUT', 'ENETUNREACH', 'EHOSTUNREACH'])

/** A server that answers and does nothing now: it stops, it is not the primary any more, its disk is full. Codes of MongoDB. */
const OF_THE_SERVER = new Set([91, 189, 10_107, 11_600, 11_602, 13_435, 13_436, 14_031])

/** Whether the database could not be asked, or could not serve: the same again may work later, and it is no fault of ours. */
export function isOutOfReach(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (OF_THE_DRIVER.test(error.name)) return true
  const code: unknown = 'code' in error ? error.code : undefined
  if (typeof code === 'string') return OF_THE_SYSTEM.has(code)
  return typeof code === 'number' && error.name.startsWith('Mongo') && OF_THE_SERVER.has(code)
}
