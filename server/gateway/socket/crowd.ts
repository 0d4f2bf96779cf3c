import type { IncomingMessage } from 'node:http'
import { type Limits, ParleyError } from '../../../shared/protocol/index.ts'
import type { Meter } from '../meter.ts'

/** Past the limit by so much a connection is not even made: the telling costs a connection, too. */
const SLACK = 1.1
const COME_BACK_MS = 5_000

/** How many connections there are, in all and of each address, signed in or not. */
export function createCrowd({
  limits,
  addressOf,
  meter,
}: {
  limits: Pick<Limits, 'connections' | 'connections_per_address'>
  addressOf(request: IncomingMessage): string
  meter: Pick<Meter, 'refusedConnection'>
}) {
  const byAddress = new Map<string, number>()
  let all = 0

  /** Counts the connection in; the answer counts it out. */
  function enter(request: IncomingMessage): () => void {
    const address = addressOf(request)
    byAddress.set(address, (byAddress.get(address) ?? 0) + 1)
    all++
    return () => {
      const left = (byAddress.get(address) ?? 1) - 1
      if (left > 0) byAddress.set(address, left)
      else byAddress.delete(address)
      all--
    }
  }

  /** Refuses one that was counted in and is one too many. */
  function refuseWhenFull(address: string): void {
    const { connections, connections_per_address } = limits
    if (all > connections) {
      meter.refusedConnection('all')
      throw new ParleyError('OVERLOADED', {
        detail: 'The hub has as many connections as it takes',
        connections,
        retry_after_ms: COME_BACK_MS,
      })
    }
    if ((byAddress.get(address) ?? 0) > connections_per_address) {
      meter.refusedConnection('address')
      const detail = 'The address has as many connections as one may have'
      throw new ParleyError('RATE_LIMITED', { detail, connections_per_address, retry_after_ms: COME_BACK_MS })
    }
  }

  /** Whether a new connection may be made at all. */
  function mayKnock(request: IncomingMessage): boolean {
    const own = byAddress.get(addressOf(request)) ?? 0
    const may = all < limits.connections * SLACK && own < limits.connections_per_address * SLACK
    if (!may) meter.refusedConnection('unheard')
    return may
  }

  return { enter, refuseWhenFull, mayKnock }
}
