import { expect } from 'chai'
import { createWriteGate } from '../../server/gateway/write-gate.ts'
import type { RouteRequest } from '../../server/pipeline/http/route.ts'

describe('the gate of writes by HTTP', () => {
  const principal = { kind: 'user' as const, id: 'someone', name: 'Someone', roles: [], owns: [] }
  // The cast holds: the gate asks for nothing else of a request.
  const request = { principal } as unknown as RouteRequest

  it('[DRAIN-2] a hub that goes away waits, without turning in circles, for one that has ended a right and is not answered', async () => {
    const gate = createWriteGate({ isOpen: () => true, proveAgain: async (proven) => proven })
    const { promise: told, resolve: tell } = Promise.withResolvers<void>()
    const { promise: hasEnded, resolve: end } = Promise.withResolvers<void>()
    const route = gate.guard({
      ...{ method: 'DELETE', path: '/sessions/current', access: 'principal', scope: null },
      handle: async () => {
        await gate.settledOf(principal.id)
        end()
        await told
        return { status: 204 }
      },
    })
    const answered = route.handle(request)
    await hasEnded
    let isSettled = false
    const settled = gate.settled().then(() => {
      isSettled = true
    })
    // Comes to its turn at all: the event loop goes on.
    await new Promise(setImmediate)
    expect(isSettled).to.equal(false)
    tell()
    expect(await answered).to.deep.equal({ status: 204 })
    await settled
  })
})
