import { AsyncLocalStorage } from 'node:async_hooks'
import { ParleyError } from '../../shared/protocol/index.ts'
import type { Principal } from '../core/access/principal.ts'
import { requireAccess } from '../pipeline/http/require-access.ts'
import type { Route, RouteRequest } from '../pipeline/http/route.ts'

/** A balancer that goes by `/readyz` has taken the hub out by then. */
const COME_BACK_MS = 1_000

interface Write {
  principal_id: string | undefined
  /** What it had to change is changed; it may still wait for others, and answer. */
  done: Promise<void>
  end(): void
}

/**
 * What changes something by HTTP is taken in while the hub is ready and at no other time, and is finished before anything is closed. Who sends
 * it is proven again once all of it is there, for a body may take its time: behind the end of a right nothing is done by it.
 */
export function createWriteGate({
  isOpen,
  proveAgain,
}: {
  isOpen(): boolean
  /** The principal as it is now, by what it has shown. Throws UNAUTHENTICATED when that has ended. */
  proveAgain(principal: Principal): Promise<Principal>
}) {
  /** Each until it is answered. */
  const under_way = new Map<Write, Promise<unknown>>()
  const current = new AsyncLocalStorage<Write>()

  function guard(route: Route): Route {
    if (route.method === 'GET') return route
    return {
      ...route,
      handle: async (request) => {
        if (!isOpen()) throw new ParleyError('UNAVAILABLE', { detail: 'The hub is starting or going away', retry_after_ms: COME_BACK_MS })
        const write = begun(request)
        const answer = current.run(write, () => carryOut(route, request))
        // Noted before anything comes of its proof: who ends the right finds it here, or it finds the right ended.
        under_way.set(write, answer)
        try {
          return await answer
        } finally {
          under_way.delete(write)
          write.end()
        }
      },
    }
  }

  async function carryOut(route: Route, request: RouteRequest) {
    const principal = request.principal && (await proveAgain(request.principal))
    requireAccess(route, principal)
    return route.handle({ ...request, principal })
  }

  /** Resolves when what was taken in is answered. */
  async function settled(): Promise<void> {
    while (under_way.size > 0) await Promise.allSettled(under_way.values())
  }

  /**
   * Resolves when what a principal's requests have begun here is done; those that come to their proof from now on find what the store says. The
   * request that asks is not waited for, by itself or by another one that asks: what it had to change is changed.
   */
  async function settledOf(principal_id: string): Promise<void> {
    const own = current.getStore()
    own?.end()
    const others = [...under_way.keys()].filter((write) => write !== own && write.principal_id === principal_id)
    await Promise.all(others.map(({ done }) => done))
  }

  return { guard, settled, settledOf }
}

function begun({ principal }: RouteRequest): Write {
  const { promise: done, resolve: end } = Promise.withResolvers<void>()
  return { principal_id: principal?.id, done, end }
}
