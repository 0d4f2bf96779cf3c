import { ParleyError } from '../../shared/protocol/index.ts'
import type { Route } from '../pipeline/http/route.ts'

/** A balancer that goes by `/readyz` has taken the hub out by then. */
const COME_BACK_MS = 1_000

/** What changes something is taken in while the hub is ready and at no other time, and is finished before anything is closed. */
export function createWriteGate(isOpen: () => boolean) {
  const under_way = new Set<Promise<unknown>>()

  function guard(route: Route): Route {
    if (route.method === 'GET') return route
    return {
      ...route,
      handle: async (request) => {
        if (!isOpen()) throw new ParleyError('UNAVAILABLE', { detail: 'The hub is starting or going away', retry_after_ms: COME_BACK_MS })
        const answer = route.handle(request)
        under_way.add(answer)
        return answer.finally(() => under_way.delete(answer))
      },
    }
  }

  /** Resolves when what was taken in is done. */
  async function settled(): Promise<void> {
    while (under_way.size > 0) await Promise.allSettled(under_way)
  }

  return { guard, settled }
}
