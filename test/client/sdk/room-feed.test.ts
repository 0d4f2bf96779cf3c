import { expect } from 'chai'
import type { Room } from '../../../client/sdk/index.ts'
import { take, untilLive, useWorld } from './sdk-world.ts'

describe('the contracts of an agent, by the sdk', () => {
  const w = useWorld()
  let contract_id: string
  beforeEach(() => {
    contract_id = w.hub.openContract()
  })

  it('[SDK-14] an agent meets each of its contracts once, and reads a new one from its first event', async () => {
    const { sdk } = await w.join()
    const rooms = sdk.rooms()
    const { value: first } = await rooms.next()
    expect(first?.contract_id).to.equal(contract_id)
    const opened = w.hub.openContract()
    w.hub.push('contract.opened', { contract_id: opened })
    w.hub.push('contract.opened', { contract_id: opened })
    const { value: second } = await rooms.next()
    const missed = w.hub.openContract()
    w.hub.cut()
    const { value: third } = await rooms.next()
    expect([second?.contract_id, third?.contract_id]).to.deep.equal([opened, missed])
    const [event] = await take((third as Room).events(), 1)
    expect(event?.type).to.equal('contract.opened')
    await sdk.close()
    expect((await rooms.next()).done).to.equal(true)
  })

  it('[SDK-43] `contract` tells each contract once: what is open to a new listener, then what is opened, with or without a connection', async () => {
    const { sdk } = await w.join()
    const listen = () => {
      const told: string[] = []
      const stop = sdk.on('contract', (contract) => told.push(contract.contract_id))
      return { told, stop }
    }
    const first = listen()
    const gone = listen()
    gone.stop()
    expect(first.told).to.deep.equal([])
    await Promise.resolve()
    expect(first.told).to.deep.equal([contract_id])

    const missed = w.hub.openContract()
    w.hub.cut()
    await new Promise((resolve) => sdk.on('state', resolve))
    await untilLive(sdk)
    expect(first.told).to.deep.equal([contract_id, missed])
    w.hub.push('contract.opened', { contract_id: missed })

    const unheard = w.hub.openContract()
    const later = listen()
    const told = new Promise((resolve) => sdk.on('contract', (contract) => contract.contract_id === unheard && resolve(contract)))
    w.clock.pass(15_000)
    expect(await told).to.deep.equal({ contract_id: unheard })
    for (const { told: all } of [first, later]) expect(all).to.deep.equal([contract_id, missed, unheard])
    expect(gone.told).to.deep.equal([])
  })

  it('[SDK-40] a contract that was opened unheard is met at the next heartbeat, once, from its first event', async () => {
    const { sdk } = await w.join()
    const rooms = sdk.rooms()
    await rooms.next()
    const unheard = w.hub.openContract()
    w.clock.pass(15_000)
    const { value: met } = await rooms.next()
    expect(met?.contract_id).to.equal(unheard)
    const [event] = await take((met as Room).events(), 1)
    expect(event?.type).to.equal('contract.opened')
    w.hub.push('contract.opened', { contract_id: unheard })
    const next = w.hub.openContract()
    w.hub.push('contract.opened', { contract_id: next })
    expect((await rooms.next()).value?.contract_id).to.equal(next)
  })
})
