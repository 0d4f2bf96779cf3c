import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Push, RoomView, WireEvent } from '../../../shared/protocol/index.ts'
import { emptyRoom, evolve } from '../../../shared/rules/evolve.ts'
import { type Client, connectAs, openContract, signUp } from '../../harness/people.ts'
import { type Stage, setStage } from '../stage.ts'

/** How a connection comes into a room, from its head or from where it was. */
describe('rooms: joining', () => {
  let stage: Stage

  before(async () => {
    stage = await setStage()
  })

  beforeEach(() => stage.clock.advance(5_000))
  afterEach(() => stage.mustBeSound())
  after(() => stage.close())

  const join = (client: Client, from: { since?: number; epoch?: string; chain?: string } = {}) =>
    client.must('room.join', { contract_id: stage.contract_id, ...from })

  async function withNewcomer<T>(run: (client: Client) => Promise<T>): Promise<T> {
    const client = await connectAs(stage.hub, stage.requester)
    const done = await run(client)
    client.close()
    return done
  }

  async function say(count: number, body = 'word'): Promise<number> {
    const posts = Array.from({ length: count }, () =>
      stage.human.must('message.post', { contract_id: stage.contract_id, key: randomUUID(), body }),
    )
    return Math.max(...(await Promise.all(posts)).map(({ seq }) => seq))
  }

  const batchesOf = (client: Client) => client.told.filter(({ type }) => type === 'events').map(({ payload }) => payload as Push<'events'>)
  const seqsOf = (events: readonly WireEvent[]) => events.map(({ seq }) => seq)
  const range = (first: number, last: number) => Array.from({ length: Math.max(last - first + 1, 0) }, (_, n) => first + n)

  /** What the log alone makes of a room: who is connected, the tools and the running text lie over it. */
  function folded({ members: _m, tools: _t, calls, ...room }: RoomView) {
    return { ...room, calls: calls.map(({ text: _x, next_seq: _n, ...call }) => call) }
  }

  it('[ROOM-1] a join without since answers the room at its head, then only what comes', () =>
    withNewcomer(async (client) => {
      const head = await say(3)
      const { view, ...place } = await join(client)
      const live = await client.next('live')
      expect(place).to.deep.equal({ ok: true, head, epoch: live.epoch, chain: live.chain })
      expect(live).to.include({ contract_id: stage.contract_id, head })
      expect(view).to.deep.include({ seq: head, agent: { health: 'ok' }, calls: [], approvals: [] })
      expect(view.contract).to.include({ title: 'Sort the archive', state: 'open', requester_id: stage.requester.id })
      expect(view.floor).to.include({ holder: stage.provider.id, kind: 'agent', term: 1 })
      expect(view.permissions).to.include({ can_message_requester: true, can_access_web: false })
      expect(view.members).to.deep.equal([
        { id: stage.requester.id, kind: 'user', role: 'requester', name: 'Ada', connected: true },
        { id: stage.provider.id, kind: 'agent', role: 'provider', name: 'Scribe', connected: false },
      ])
      expect(view.tools.map(({ name, risk, requires_approval }) => [name, risk, requires_approval])).to.deep.equal([
        ['shout', 'low', false],
      ])
      const next = await say(1)
      await client.event(stage.contract_id, 'message.posted', ({ seq }) => seq === next)
      expect(seqsOf(client.events(stage.contract_id))).to.deep.equal([next])
    }))

  it('[ROOM-2] a join with since brings all that came after it in pages, then goes on live, while others post', () =>
    withNewcomer(async (client) => {
      for (let round = 0; round < 8; round++) {
        await say(150, 'é'.repeat(500))
        stage.clock.advance(5_000)
      }
      const posting = Promise.all([say(40), say(40)])
      const { view } = await join(client, { since: 1 })
      const last = Math.max(...(await posting))
      expect(view.seq).to.equal(1)
      await client.next('live')
      await client.event(stage.contract_id, 'message.posted', ({ seq }) => seq === last)
      // Behind the last post the hub may note that the agent was not heard of for so long.
      const seqs = seqsOf(client.events(stage.contract_id))
      expect(seqs.slice(0, last - 1)).to.deep.equal(range(2, last))
      expect(seqs.length).to.be.at.most(last)
      for (const { first, last: end, events } of batchesOf(client)) {
        expect(seqsOf(events)).to.deep.equal(range(first, end))
        expect(events.length).to.be.at.most(500)
        expect(Buffer.byteLength(JSON.stringify(events))).to.be.at.most(131_072)
      }
    }))

  it('[ROOM-2] a page holds at least one event, however large', () =>
    withNewcomer(async (client) => {
      stage.clock.advance(10_000)
      const first = await say(1, '漢'.repeat(60_000))
      const second = await say(1, '字'.repeat(60_000))
      await join(client, { since: first - 1 })
      const live = await client.next('live')
      expect(live.head).to.equal(second)
      expect(batchesOf(client).map(({ events }) => seqsOf(events))).to.deep.equal([[first], [second]])
    }))

  it('[ROOM-3] events folded from any place, and live ones, make the very room that a fresh join shows', async () => {
    const { human, agent, contract_id } = stage
    const running = await stage.call('fold-running')
    await agent.must('agent.tool.stream', { call_id: running, seq: 1, chunk: 'so far' })
    const done = await stage.call('fold-done')
    await agent.must('agent.tool.result', { call_id: done, status: 'succeeded' })
    await human.must('tool.cancel', { contract_id, call_id: running })
    const fresh = await withNewcomer(async (client) => (await join(client)).view)
    for (const since of [0, 1, 2, fresh.seq - 4, fresh.seq - 1, fresh.seq]) {
      await withNewcomer(async (client) => {
        const { view } = await join(client, { since })
        await client.next('live')
        expect(folded(client.events(contract_id).reduce(evolve, view)), `since ${since}`).to.deep.equal(folded(fresh))
      })
    }
    const all = await withNewcomer(async (client) => {
      await join(client, { since: 0 })
      await client.next('live')
      return client.events(contract_id).reduce(evolve, emptyRoom)
    })
    expect(folded(all)).to.deep.equal(folded(fresh))
    await agent.must('agent.tool.result', { call_id: running, status: 'canceled' })
  })

  it('[ROOM-3] so it is with a human provider, from the first event on', async () => {
    const provider = await signUp(stage.hub, ['provider'], 'Bea')
    const { contract_id, requester } = await openContract(stage.hub, { provider })
    const client = await connectAs(stage.hub, requester)
    const fresh = (await client.must('room.join', { contract_id })).view
    expect(fresh.floor).to.include({ holder: provider.id, kind: 'user' })
    const { view } = await client.must('room.join', { contract_id, since: 0 })
    await client.event(contract_id, 'contract.opened')
    expect(folded(client.events(contract_id).reduce(evolve, view))).to.deep.equal(folded(fresh))
    client.close()
  })

  it('[ROOM-4] a place that is not of this log is acknowledged, then reset, and nothing follows', async () => {
    const log = await stage.log()
    const chainAt = (seq: number) => log.find((event) => event.seq === seq)?.chain ?? ''
    const { epoch } = await withNewcomer((client) => join(client))
    const foreign = [
      (head: number) => ({ since: head + 1 }),
      () => ({ since: 999_999_999_999 }),
      () => ({ since: 1, epoch: 'another' }),
      () => ({ since: 1, chain: chainAt(2) }),
      () => ({ since: 0, chain: chainAt(1) }),
    ]
    for (const from of foreign) {
      const head = await say(1)
      await withNewcomer(async (client) => {
        const answer = await join(client, from(head))
        expect(answer).to.include({ epoch, head })
        expect(answer.view.seq).to.equal(head)
        expect(await client.next('reset')).to.deep.equal({ contract_id: stage.contract_id, epoch })
        const next = await say(1)
        await stage.human.event(stage.contract_id, 'message.posted', ({ seq }) => seq === next)
        await client.ask('room.leave', { contract_id: stage.contract_id })
        expect(client.told.map(({ type }) => type)).not.to.include.oneOf(['live', 'events'])
      })
    }
  })

  it('[ROOM-4] the right epoch and chain bring the events', () =>
    withNewcomer(async (client) => {
      const log = await stage.log()
      const { epoch, head } = await join(client)
      await client.next('live')
      const { chain = '' } = log[1] ?? {}
      await join(client, { since: 2, epoch, chain })
      await client.next('live', () => client.told.filter(({ type }) => type === 'live').length === 2)
      expect(seqsOf(client.events(stage.contract_id))).to.deep.equal(range(3, head))
    }))

  it('[ROOM-5] who joins again while catching up gets the second join, whole, and lives once', () =>
    withNewcomer(async (client) => {
      const { contract_id } = stage
      const first = client.must('room.join', { contract_id, since: 1 })
      const second = client.must('room.join', { contract_id, since: 5 })
      const third = client.must('room.join', { contract_id, since: 2 })
      await Promise.all([first, second, third])
      await client.next('live')
      const head = await say(1)
      await client.event(contract_id, 'message.posted', ({ seq }) => seq === head)
      const seqs = seqsOf(client.events(contract_id))
      const start = seqs.lastIndexOf(3)
      expect(seqs.slice(start)).to.deep.equal(range(3, head))
      const marker = await say(1)
      await client.event(contract_id, 'message.posted', ({ seq }) => seq === marker)
      expect(seqsOf(client.events(contract_id)).filter((seq) => seq === marker)).to.have.lengthOf(1)
    }))

  it('[ROOM-6] who leaves hears nothing more, at once, even while catching up', () =>
    withNewcomer(async (client) => {
      const { contract_id } = stage
      const joined = client.must('room.join', { contract_id, since: 0 })
      const left = client.must('room.leave', { contract_id })
      await Promise.all([joined, left])
      const told = client.told.length
      const head = await say(1)
      await stage.human.event(contract_id, 'message.posted', ({ seq }) => seq === head)
      await client.must('room.leave', { contract_id })
      expect(client.told.slice(told).filter(({ type }) => type === 'events' || type === 'live')).to.deep.equal([])
      expect(await client.ask('typing', { contract_id })).to.have.nested.property('error.code', 'NOT_FOUND')
    }))

  it('[ROOM-25] who leaves behind a join that is under way is outside, though the join is acknowledged', () =>
    withNewcomer(async (client) => {
      const { contract_id } = stage
      for (const from of [{}, { since: 0 }, { since: 999_999 }]) {
        const told = client.told.length
        const [joined] = await Promise.all([join(client, from), client.must('room.leave', { contract_id })])
        expect(joined.head).to.be.above(0)
        const head = await say(1)
        await stage.human.event(contract_id, 'message.posted', ({ seq }) => seq === head)
        expect(await client.ask('typing', { contract_id })).to.have.nested.property('error.code', 'NOT_FOUND')
        expect(client.told.slice(told), JSON.stringify(from)).to.deep.equal([])
      }
      await Promise.all([join(client), client.must('room.leave', { contract_id }), join(client)])
      await client.next('live')
      await client.must('typing', { contract_id })
    }))

  it('[ROOM-26] an older join that ends in a reset does not throw out the newer one', () =>
    withNewcomer(async (client) => {
      const { contract_id } = stage
      await Promise.all([join(client, { since: 999_999 }), join(client)])
      await client.next('live')
      const head = await say(1)
      await client.event(contract_id, 'message.posted', ({ seq }) => seq === head)
      expect(client.told.map(({ type }) => type)).not.to.include('reset')
    }))

  it('[ROOM-29] a room with a stream of some MB is joined over a slow line, and the text is read by its route', async () => {
    const { contract_id, agent, hub, clock, requester } = stage
    const call_id = await stage.call('large')
    const chunk = 'x'.repeat(100_000)
    for (let seq = 1; seq <= 30; seq++) {
      await agent.must('agent.tool.stream', { call_id, seq, chunk })
      clock.advance(1_000)
    }
    await withNewcomer(async (client) => {
      const tcp = (client.socket.io.engine.transport as unknown as { ws: { _socket: { pause(): void; resume(): void } } }).ws._socket
      const joined = join(client)
      tcp.pause()
      for (let n = 0; n < 5; n++) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        clock.advance(1_000)
      }
      tcp.resume()
      const { view } = await joined
      const shown = view.calls.find((call) => call.call_id === call_id)
      expect([shown?.text, shown?.next_seq]).to.deep.equal([undefined, 31])
      await client.next('live')
      await agent.must('agent.tool.stream', { call_id, seq: 31, chunk: 'end' })
      expect(await client.next('chunk')).to.deep.equal({ contract_id, call_id, seq: 31, chunk: 'end' })
      const path = `${hub.url}/contracts/${contract_id}/calls/${call_id}/text`
      const text = await (await fetch(path, { headers: { authorization: `Bearer ${requester.bearer}` } })).text()
      expect(text === `${chunk.repeat(30)}end`).to.equal(true)
    })
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
  })
})
