import { RefusedError } from '../../../sdk/index.ts'
import type { RoomStore } from './room-store.ts'

/**
 * For what must not be done by itself later: a message may wait for the connection, the end of a contract may not, for whoever asked may
 * have thought better of it. Throws when there is no connection.
 */
export function refuseUnlessLive(store: RoomStore): void {
  if (store.isLive.peek()) return
  throw new RefusedError({
    ...{ code: 'OFFLINE', title: 'There is no connection to the hub', retry: 'later', correlation_id: '' },
    fix: 'Nothing was done: try again when it is back.',
  })
}
