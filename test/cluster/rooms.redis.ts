import { expect } from 'chai'
import { createHistory } from '../harness/history/history.ts'
import { connectAs, openContract } from '../harness/people.ts'
import { mustAgree, type Nodes, postMany, sees, startNodes, troublesOf } from './nodes.ts'

describe('a room on several nodes', () => {
  let nodes: Nodes

  before(async () => {
    nodes = await startNodes({ nodes: 3 })
  })

  after(async () => {
    await nodes.close()
  })

  it('[NODE-1] members on three nodes all see one order, once and without a hole, while all of them write', async () => {
    const { contract_id, requester, provider, staff } = nodes
    const history = createHistory()
    const [human, agent, operator, late] = [
      await nodes.join(requester, 0),
      await nodes.join(provider, 1),
      await nodes.join(staff, 2),
      await nodes.join(requester, 1),
    ]
    await Promise.all([
      postMany(human, { contract_id, by: requester.id, name: 'human', count: 150, history }),
      postMany(agent, { contract_id, by: provider.id, name: 'agent', count: 150, history }),
    ])
    await mustAgree(nodes, history, { human, agent, operator, late })
    expect(troublesOf(nodes)).to.deep.equal([])
  })

  it('[NODE-2] an event reaches the members on another node while no clock moves', async () => {
    const { contract_id, requester, provider } = nodes
    const [here, there] = [await nodes.join(requester, 0), await nodes.join(provider, 2)]
    const { seq } = await here.must('message.post', { contract_id, key: 'quick', body: 'now' })
    await sees(there, contract_id, seq)
    const answer = await there.must('message.post', { contract_id, key: 'quick-back', body: 'and back' })
    await sees(here, contract_id, answer.seq)
    expect(answer.seq).to.equal(seq + 1)
  })

  it('[NODE-3] a staff note from one node is a stub for the requester on another', async () => {
    const { contract_id, requester, provider, staff } = nodes
    const [author, human, agent] = [await nodes.join(staff, 0), await nodes.join(requester, 1), await nodes.join(provider, 2)]
    const { seq } = await author.must('message.post', { contract_id, key: 'note', body: 'do not tell', visibility: 'staff' })
    await Promise.all([sees(human, contract_id, seq), sees(agent, contract_id, seq)])
    const stub = human.events(contract_id).find((event) => event.seq === seq)
    const note = agent.events(contract_id).find((event) => event.seq === seq)
    expect(Object.keys(stub ?? {}).toSorted()).to.deep.equal(['chain', 'digest', 'seq', 'type'])
    expect(stub).to.include({ type: 'redacted', chain: note?.chain })
    expect(note).to.have.nested.property('data.body', 'do not tell')
    expect(JSON.stringify(human.told)).not.to.include('do not tell')
  })

  it('[NODE-4] a new contract is told to its parties on whichever node they are', async () => {
    const { requester, provider } = nodes
    const [human, agent] = [await connectAs(nodes.hub(1), requester), await connectAs(nodes.hub(2), provider)]
    const { contract_id } = await openContract(nodes.hub(0), { requester, provider })
    await human.next('contract.opened', (told) => told.contract_id === contract_id)
    await agent.next('contract.opened', (told) => told.contract_id === contract_id)
    human.close()
    agent.close()
  })

  it('[NODE-5] one who leaves and comes back at once is told what another node writes', async () => {
    const { contract_id, requester, provider } = await openContract(nodes.hub(0)).then((opened) => opened)
    const writer = await connectAs(nodes.hub(0), requester)
    const reader = await connectAs(nodes.hub(1), provider)
    // Each round ends the node's subscription to the room and asks for it again before the end was answered.
    for (let round = 0; round < 30; round++) {
      await reader.must('room.join', { contract_id })
      const left = reader.must('room.leave', { contract_id })
      const joined = reader.must('room.join', { contract_id })
      await Promise.all([left, joined])
      const { seq } = await writer.must('message.post', { contract_id, key: `round-${round}`, body: 'here' })
      await sees(reader, contract_id, seq)
      await reader.must('room.leave', { contract_id })
    }
    writer.close()
    reader.close()
  })

  it('[NODE-6] what another node says in a way that this one does not know changes nothing', async () => {
    const { contract_id, requester, staff } = nodes
    const [writer, reader] = [await nodes.join(staff, 0), await nodes.join(requester, 1)]
    const channel = `socket.io#/rooms#contract:${contract_id}:ephemeral#`
    const opts = { rooms: [`contract:${contract_id}:ephemeral`], except: [], flags: {} }
    const say = (data: unknown) => ({ uid: 'another', nsp: '/rooms', type: 3, data: { opts, packet: { type: 2, data } } })
    const event = { seq: 1_000_000, type: 'message.posted', data: { body: 'forged' } }
    const wrong = [
      '{',
      '{}',
      'null',
      '{"uid":"another","nsp":"/rooms","type":3}',
      JSON.stringify(say(['$peer', null])),
      JSON.stringify(say(['$peer', { kind: 'events' }])),
      JSON.stringify(say(['$peer', { kind: 'events', contract_id, events: [null] }])),
      JSON.stringify(say(['$peer', { kind: 'events', contract_id, events: [{ event, digest: '', audience: 'all' }] }])),
      JSON.stringify(say(['$peer', { kind: '__proto__' }])),
      JSON.stringify(say(['$peer', { kind: 'chunk' }])),
      JSON.stringify(say(['$peer', { kind: 'work' }])),
    ]
    for (const text of wrong) await nodes.redis.ask('SPUBLISH', channel, text)
    const { seq } = await writer.must('message.post', { contract_id, key: 'after-noise', body: 'still here' })
    await sees(reader, contract_id, seq)
    expect(JSON.stringify(reader.told)).not.to.include('forged')
    const late = await nodes.join(requester, 1)
    expect((await late.must('room.join', { contract_id })).head).to.equal(seq)
  })
})
