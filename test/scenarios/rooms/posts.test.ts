import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { verifyTranscript } from '../../../scripts/lib/verify/verify-transcript.ts'
import type { WireEvent } from '../../../shared/protocol/index.ts'
import { api, type Client, connectAs, openContract, signUp } from '../../harness/people.ts'
import { codeOf, type Stage, setStage } from '../stage.ts'

/** What is said in a room: in which order, and to whom. */
describe('rooms: posts and notes', () => {
  let stage: Stage
  let staff: Client
  let agent: Client

  before(async () => {
    stage = await setStage()
    agent = stage.agent
    await agent.must('room.join', { contract_id: stage.contract_id })
    staff = await connectAs(stage.hub, await signUp(stage.hub, ['reviewer'], 'Rae'))
    await staff.must('room.join', { contract_id: stage.contract_id })
    await staff.next('live')
  })

  beforeEach(() => stage.clock.advance(5_000))
  afterEach(() => stage.mustBeSound())
  after(async () => {
    staff.close()
    await stage.close()
  })

  const post = (client: Client, body: string, more: object = {}) =>
    client.must('message.post', { contract_id: stage.contract_id, key: randomUUID(), body, ...more })

  it('[ROOM-7] all see all posts in one order, without a hole or a repeat, and their writers get their places', async () => {
    const { contract_id, human } = stage
    const people = [human, staff, agent]
    const answers = await Promise.all(
      people.flatMap((client, who) =>
        Array.from({ length: 40 }, async (_, n) => ({ body: `${who}:${n}`, ...(await post(client, `${who}:${n}`)) })),
      ),
    )
    const last = Math.max(...answers.map(({ seq }) => seq))
    for (const client of people) await client.event(contract_id, 'message.posted', ({ seq }) => seq === last)
    const [seen, ...others] = people.map((client) => client.events(contract_id))
    for (const other of others) expect(other).to.deep.equal(seen)
    expect(seen?.map(({ seq }) => seq)).to.deep.equal(Array.from({ length: last - 1 }, (_, n) => n + 2))
    for (const { seq, chain, body } of answers) {
      const event = seen?.find((one) => one.seq === seq) as WireEvent & { data: { body: string } }
      expect({ chain: event.chain, body: event.data.body }).to.deep.equal({ chain, body })
    }
    for (const who of [0, 1, 2]) {
      const own = answers.filter(({ body }) => body.startsWith(`${who}:`)).sort((a, b) => a.seq - b.seq)
      expect(
        own.map(({ body }) => body),
        'the order of one writer',
      ).to.deep.equal(Array.from({ length: 40 }, (_, n) => `${who}:${n}`))
    }
  })

  it('[ROOM-30] posts and calls of one connection stand in the order in which they were sent, whatever the hub must look up first', async () => {
    const { contract_id, human } = stage
    const answers = await Promise.all(
      Array.from({ length: 15 }, (_, n) => [
        human.must('message.post', { contract_id, key: randomUUID(), body: `before ${n}` }),
        human.must('tool.call', { contract_id, key: randomUUID(), tool: 'shout', input: { text: `${n}` } }),
        human.must('tool.call', { contract_id, key: randomUUID(), tool: 'no such tool', input: {} }),
        human.must('message.post', { contract_id, key: randomUUID(), body: `after ${n}` }),
      ]).flat(),
    )
    const seqs = answers.map(({ seq }) => seq)
    expect(seqs).to.deep.equal([...seqs].sort((a, b) => a - b))
  })

  it('[ROOM-30] what an agent says behind its result stands behind it, and one room does not wait for another', async () => {
    const { contract_id, hub, provider, requester, human } = stage
    const other = await openContract(hub, { provider, requester })
    const results: Promise<{ seq: number }>[] = []
    for (let n = 0; n < 10; n++) {
      const { call_id } = await human.must('tool.call', { contract_id, key: randomUUID(), tool: 'shout', input: { text: 'x' } })
      await agent.next('core.tool.call', (call) => call.call_id === call_id)
      const chunk = agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'x'.repeat(10_000) })
      results.push(agent.must('agent.tool.result', { call_id, status: 'succeeded' }), post(agent, `said after ${n}`))
      results.push(agent.must('agent.tool.result', { call_id, status: 'succeeded' }), post(agent, `and after ${n}`))
      const elsewhere = agent.must('message.post', { contract_id: other.contract_id, key: randomUUID(), body: 'elsewhere' })
      await Promise.all([chunk, elsewhere, ...results])
    }
    const seqs = (await Promise.all(results)).map(({ seq }) => seq)
    for (let at = 0; at < seqs.length; at += 4) {
      const [result = 0, said = 0, again = 0, last = 0] = seqs.slice(at, at + 4)
      // The second result is a duplicate of the first, and has its place.
      expect([said > result, again === result, last > said]).to.deep.equal([true, true, true])
    }
  })

  it('[ROOM-8] a staff note is a stub for the requester, live, in the replay, in the routes and in the search', async () => {
    const { contract_id, human, hub, requester, provider } = stage
    const note = await post(staff, 'beware of the zebra', { visibility: 'staff' })
    const reply = await post(human, 'the public answer')
    await human.event(contract_id, 'message.posted', ({ seq }) => seq === reply.seq)
    const stub = human.events(contract_id).find(({ seq }) => seq === note.seq)
    expect(stub).to.have.all.keys('seq', 'type', 'digest', 'chain')
    expect(stub).to.include({ type: 'redacted', chain: note.chain })
    for (const insider of [staff, agent]) {
      const told = await insider.event(contract_id, 'message.posted', ({ seq }) => seq === note.seq)
      expect(told.data).to.deep.equal({ body: 'beware of the zebra', visibility: 'staff' })
    }

    const late = await connectAs(hub, requester)
    const joined = await late.must('room.join', { contract_id, since: 0 })
    await late.next('live')
    expect(late.events(contract_id).find(({ seq }) => seq === note.seq)).to.deep.equal(stub)
    late.close()

    const read = async (path: string, bearer: string) =>
      (await api<{ events: WireEvent[]; items: WireEvent[]; total: number }>(hub, 'GET', path, { bearer })).body
    const { events } = await read(`/contracts/${contract_id}/events?limit=500`, requester.bearer)
    expect(events.find(({ seq }) => seq === note.seq)).to.deep.equal(stub)
    expect(await read(`/contracts/${contract_id}/search?q=zebra`, requester.bearer)).to.deep.include({ items: [], total: 0 })
    expect((await read(`/contracts/${contract_id}/search?q=zebra`, provider.bearer)).total).to.equal(1)
    expect(JSON.stringify([human.told, joined, events])).not.to.include('zebra')

    const full = await read(`/contracts/${contract_id}/events?limit=500`, hub.operator_token)
    const sound = { ok: true, head: reply.seq, chain: reply.chain }
    expect(verifyTranscript({ contract_id, events })).to.deep.equal(sound)
    expect(verifyTranscript({ contract_id, events: full.events })).to.deep.equal(sound)
    const bent = events.map((event) => (event.seq === note.seq ? { ...event, digest: 'f'.repeat(64) } : event))
    expect(verifyTranscript({ contract_id, events: bent })).to.include({ ok: false, seq: note.seq })
  })

  it('[ROOM-9] the requester writes no notes, and the owner of the agent reads and writes them', async () => {
    const { human, hub, requester } = stage
    const refused = await human.ask('message.post', { contract_id: stage.contract_id, key: 'note', body: 'x', visibility: 'staff' })
    expect(codeOf(refused)).to.equal('PERMISSION_DENIED')
    const owner = await signUp(hub, ['provider'], 'Olga')
    const registered = await api<{ agent_id: string; api_key: string }>(hub, 'POST', '/agents', {
      body: { name: 'Owned' },
      bearer: owner.bearer,
    })
    const provider = { id: registered.body.agent_id, auth: { key: registered.body.api_key }, bearer: registered.body.api_key }
    const { contract_id } = await openContract(hub, { requester, provider })
    const client = await connectAs(hub, owner)
    const { view } = await client.must('room.join', { contract_id })
    await client.must('message.post', { contract_id, key: 'note', body: 'from the owner', visibility: 'staff' })
    expect((await client.event(contract_id, 'message.posted')).data).to.include({ visibility: 'staff' })
    expect(view.members.find(({ id }) => id === owner.id)).to.include({ role: 'owner', connected: true })
    client.close()
  })

  it('[ROOM-10] an agent that may not message the requester may write a note, and nothing to all', async () => {
    const { hub, requester, provider } = stage
    const { contract_id } = await openContract(hub, { requester, provider, permissions: { can_message_requester: false } })
    const refused = await agent.ask('message.post', { contract_id, key: 'all', body: 'hello' })
    expect(refused).to.have.nested.property('error.code', 'PERMISSION_DENIED')
    expect(refused).to.have.nested.property('error.facts.permission', 'can_message_requester')
    await agent.must('message.post', { contract_id, key: 'note', body: 'hello', visibility: 'staff' })
    await stage.human.must('message.post', { contract_id, key: 'all', body: 'I may' })
  })

  it('[ROOM-11] a reply points at an event that is there, and evidence that is not there is refused', async () => {
    const { human, contract_id } = stage
    const { seq } = await post(human, 'first')
    const reply = await post(staff, 'second', { reply_to: seq })
    expect((await staff.event(contract_id, 'message.posted', (event) => event.seq === reply.seq)).data['reply_to']).to.equal(seq)
    for (const reply_to of [reply.seq + 1, reply.seq + 2, 0]) {
      const answer = await human.ask('message.post', { contract_id, key: randomUUID(), body: 'x', reply_to })
      expect(answer).to.have.nested.property('error.errors[0].pointer', '/reply_to')
    }
    const evidence = [randomUUID()]
    expect(codeOf(await human.ask('message.post', { contract_id, key: randomUUID(), body: 'x', evidence }))).to.equal('NOT_FOUND')
  })

  it('[ROOM-12] a new contract is told to the sockets of its parties, and to no one else', async () => {
    const { hub, requester, provider, human } = stage
    const { contract_id } = await openContract(hub, { requester, provider })
    await human.next('contract.opened', (told) => told.contract_id === contract_id)
    await agent.next('contract.opened', (told) => told.contract_id === contract_id)
    await staff.must('typing', { contract_id: stage.contract_id })
    expect(staff.told.filter(({ type }) => type === 'contract.opened')).to.deep.equal([])
    const { heads } = await agent.must('agent.heartbeat', {})
    expect(heads).to.have.property(contract_id)
  })
})
