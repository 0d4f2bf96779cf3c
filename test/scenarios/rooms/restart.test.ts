import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import type { RoomView } from '../../../shared/protocol/index.ts'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { type Client, connectAgent, connectAs } from '../../harness/people.ts'
import { advanceUntil, type Home, makeHome, mustBeSound, readLog, type Stage, setStage, shout } from '../stage.ts'

/** A hub that is started again on the same database goes on as if nothing had been. */
describe('rooms: a restart', () => {
  const clock = createManualClock()
  let home: Home
  let stage: Stage
  let hub: TestHub
  let human: Client
  let known: { view: RoomView; head: number; chain: string; epoch: string }
  let running: string
  let waiting: string
  const posted = { key: 'posted', body: 'before the restart' }

  before(async () => {
    home = await makeHome()
    stage = await setStage({ clock, like: home })
    const { contract_id } = stage
    for (let round = 0; round < 12; round++) {
      clock.advance(5_000)
      await Promise.all(
        Array.from({ length: 100 }, (_, n) => stage.human.must('message.post', { contract_id, key: `${round}:${n}`, body: 'x' })),
      )
    }
    running = await stage.call('running')
    await stage.agent.must('agent.tool.stream', { call_id: running, seq: 1, chunk: 'so far' })
    waiting = await stage.call('waiting')
    await stage.human.must('message.post', { contract_id, ...posted })
    await stage.human.must('cursor.set', { contract_id, seq: 2 })
    known = await stage.human.must('room.join', { contract_id })
    await stage.mustBeSound()
    stage.agent.close()
    stage.human.close()
    await stage.hub.close()
    hub = await startHub({ clock, like: home })
    human = await connectAs(hub, stage.requester)
  })

  afterEach(() => mustBeSound(hub, stage.contract_id))
  after(async () => {
    human.close()
    await hub.close()
    await rm(home.data_dir, { recursive: true })
  })

  const ofCall = async (call_id: string) => (await recent()).filter(({ data }) => data['call_id'] === call_id).map(({ type }) => type)
  const recent = async () => readLog(hub, stage.contract_id, known.head - 10)

  it('[ROOM-22] the room is the same, but for who is connected', async () => {
    const { view, head, chain, epoch } = await human.must('room.join', { contract_id: stage.contract_id })
    expect({ head, chain, epoch }).to.deep.equal({ head: known.head, chain: known.chain, epoch: known.epoch })
    const unconnected = (room: RoomView) => ({ ...room, members: room.members.map((member) => ({ ...member, connected: true })) })
    expect(unconnected(view)).to.deep.equal(unconnected(known.view))
    expect(view.calls.map(({ text, next_seq, state }) => [text, next_seq, state])).to.deep.equal([
      ['so far', 2, 'running'],
      [undefined, undefined, 'requested'],
    ])
  })

  it('[ROOM-22] a client goes on from where it was, early or late', async () => {
    const { contract_id } = stage
    for (const since of [0, 700, known.head - 3, known.head]) {
      const client = await connectAs(hub, stage.requester)
      const { chain = '' } = (await readLog(hub, contract_id, Math.max(since - 1, 0)))[0] ?? {}
      await client.must('room.join', { contract_id, since, epoch: known.epoch, ...(since > 0 ? { chain } : {}) })
      expect((await client.next('live')).head).to.equal(known.head)
      expect(client.events(contract_id).map(({ seq }) => seq)).to.deep.equal(
        Array.from({ length: known.head - since }, (_, n) => since + n + 1),
      )
      client.close()
    }
  })

  it('[ROOM-23] duplicates are known, old and new, and a reused key is refused', async () => {
    const { contract_id } = stage
    expect(await human.must('message.post', { contract_id, key: '0:0', body: 'x' })).to.include({ duplicate: true })
    expect(await human.must('message.post', { contract_id, ...posted })).to.include({
      seq: known.head,
      chain: known.chain,
      duplicate: true,
    })
    const call = await human.must('tool.call', { contract_id, key: 'running', tool: 'shout', input: { text: 'hello' } })
    expect(call).to.include({ call_id: running, duplicate: true })
    expect(await human.ask('message.post', { contract_id, key: '0:0', body: 'y' })).to.have.nested.property('error.code', 'KEY_REUSED')
    expect((await human.must('room.join', { contract_id })).head).to.equal(known.head)
  })

  it('[ROOM-24] open calls end by their deadline, with what was streamed before', async () => {
    await advanceUntil(
      clock,
      'both calls have ended',
      async () => (await human.must('room.join', { contract_id: stage.contract_id })).view.calls.length === 0,
      5_000,
    )
    expect(await ofCall(waiting)).to.deep.equal(['call.requested', 'call.timed_out'])
    expect((await ofCall(running)).slice(0, 2)).to.deep.equal(['call.requested', 'call.started'])
    const ended = (await recent()).find(({ data }) => data['call_id'] === running && data['error'] !== undefined)
    expect(ended?.type).to.be.oneOf(['call.abandoned', 'call.timed_out'])
    expect(ended?.data['stream']).to.include({ parts: 1, bytes: 6 })
  })

  it('[ROOM-24] the agent’s tools are there, and a new call waits for the agent', async () => {
    const { call_id } = await human.must('tool.call', { contract_id: stage.contract_id, key: 'after', tool: 'shout', input: { text: 'x' } })
    const agent = await connectAgent(hub, stage.provider)
    await agent.next('core.tool.call', (call) => call.call_id === call_id)
    await agent.must('agent.tools.register', { tools: [shout] })
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    agent.close()
  })
})
