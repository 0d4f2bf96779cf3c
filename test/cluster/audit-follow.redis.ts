import { expect } from 'chai'
import { followTrail, namesOf } from '../features/audit/follow/trail-follower.ts'
import { openContract, registerAgent } from '../harness/people.ts'
import { type Nodes, startNodes, stepWhile } from './nodes.ts'

describe('the audit trail, live, on several nodes', () => {
  let nodes: Nodes

  before(async () => {
    nodes = await startNodes()
  })
  after(() => nodes.close())

  it('[AUDIT-23] with Redis what another hub and its rooms add is told while no clock moves', async () => {
    const { clock, staff } = nodes
    const began = clock.now()
    const reader = await followTrail(nodes.hub(0), staff)
    await Promise.all(['Ada', 'Ben', 'Cleo', 'Dan'].map((name, at) => registerAgent(nodes.hub(at % 2), name)))
    for (const wanted of ['Ada', 'Ben', 'Cleo', 'Dan']) await reader.item(({ metadata }) => metadata['name'] === wanted)
    const { contract_id } = await openContract(nodes.hub(1))
    await reader.item(({ stream }) => stream === `contract:${contract_id}`)
    const ids = reader.items().map(({ event_id }) => event_id)
    expect(new Set(ids).size).to.equal(ids.length)
    expect(clock.now()).to.equal(began)
    reader.close()
  })

  it('[AUDIT-23] what is said while Redis is away is told all the same, once', async () => {
    const { clock, staff, hubs } = nodes
    const reader = await followTrail(nodes.hub(0), staff)
    await nodes.redis.kill()
    for (const name of ['Eli', 'Fay', 'Gus']) await registerAgent(nodes.hub(1), name)
    await stepWhile(
      { clock, hubs },
      'the other node is heard',
      reader.item(({ metadata }) => metadata['name'] === 'Gus'),
    )
    await nodes.redis.start()
    await registerAgent(nodes.hub(1), 'Hal')
    await stepWhile(
      { clock, hubs },
      'it is heard again',
      reader.item(({ metadata }) => metadata['name'] === 'Hal'),
    )
    expect(namesOf(reader.items().filter(({ event_type }) => event_type === 'agent.registered'))).to.deep.equal([
      'Eli',
      'Fay',
      'Gus',
      'Hal',
    ])
    reader.close()
  })
})
