import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { connectAs } from '../../harness/people.ts'
import { advanceUntil, codeOf, type Stage, setStage } from '../stage.ts'

/** The same thing twice, too many at once, and too late. */
describe('bad input: repeats, floods and ended contracts', () => {
  let stage: Stage

  before(async () => {
    stage = await setStage()
  })

  beforeEach(() => stage.clock.advance(5_000))
  afterEach(() => stage.mustBeSound())
  after(() => stage.close())

  it('[BAD-27] a key with another payload is KEY_REUSED, with the place of the first', async () => {
    const { human, contract_id } = stage
    const key = randomUUID()
    const first = await human.must('message.post', { contract_id, key, body: 'one' })
    const other = await human.ask('message.post', { contract_id, key, body: 'two' })
    expect(other).to.have.nested.property('error.code', 'KEY_REUSED')
    expect(other).to.have.nested.property('error.facts.seq', first.seq)
    const call = await human.ask('tool.call', { contract_id, key, tool: 'shout', input: { text: 'x' } })
    expect(codeOf(call)).to.equal('KEY_REUSED')
    const same = await human.must('message.post', { contract_id, key, body: 'one', visibility: 'all' })
    expect(same).to.deep.equal({ ...first, duplicate: true })
    const byAnother = await stage.agent.must('message.post', { contract_id, key, body: 'mine' })
    expect(byAnother).not.to.have.property('duplicate')
  })

  it('[BAD-28] one frame sent twenty times at once from two connections is one event', async () => {
    const { human, hub, requester, contract_id } = stage
    const second = await connectAs(hub, requester)
    const frame = { contract_id, key: randomUUID(), body: 'once' }
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? human : second).must('message.post', frame)))
    expect(new Set(answers.map(({ seq, chain }) => `${seq} ${chain}`))).to.have.property('size', 1)
    expect(answers.filter(({ duplicate }) => duplicate !== true)).to.have.lengthOf(1)
    expect((await stage.log()).filter((event) => 'key' in event && event.key === frame.key)).to.have.lengthOf(1)
    second.close()
  })

  it('[BAD-28] twenty payloads race for one key: one is recorded, the others are KEY_REUSED', async () => {
    const { human, contract_id } = stage
    const key = randomUUID()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => human.ask('message.post', { contract_id, key, body: `body ${n}` })),
    )
    expect(answers.map(codeOf).sort()).to.deep.equal([...Array.from({ length: 19 }, () => 'KEY_REUSED'), 'ok'])
    expect((await stage.log()).filter((event) => 'key' in event && event.key === key)).to.have.lengthOf(1)
  })

  it('[BAD-29] frames above the limit are RATE_LIMITED with a time to wait, and pass after it', async () => {
    const { hub, requester, contract_id, clock } = stage
    const flooder = await connectAs(hub, requester)
    await flooder.must('room.join', { contract_id })
    const answers = await Promise.all(Array.from({ length: 250 }, () => flooder.ask('typing', { contract_id })))
    expect(answers.filter(({ ok }) => ok)).to.have.lengthOf(199)
    const refused = answers.find(({ ok }) => !ok)
    expect(refused).to.have.nested.property('error.code', 'RATE_LIMITED')
    expect(refused).to.have.nested.property('error.retry', 'later')
    expect(refused).to.have.nested.property('error.facts.retry_after_ms', 10)
    await stage.human.must('typing', { contract_id })
    clock.advance(9)
    expect(codeOf(await flooder.ask('typing', { contract_id }))).to.equal('RATE_LIMITED')
    clock.advance(1)
    await flooder.must('typing', { contract_id })
    flooder.close()
  })

  it('[BAD-29] bytes above the limit are RATE_LIMITED too, small frames and text alike', async () => {
    const { hub, requester, contract_id, clock } = stage
    const flooder = await connectAs(hub, requester)
    const post = () => flooder.ask('message.post', { contract_id, key: randomUUID(), body: 'x'.repeat(100_000) })
    const answers = await Promise.all(Array.from({ length: 12 }, post))
    expect(answers.filter(({ ok }) => ok)).to.have.lengthOf(10)
    expect(codeOf(await flooder.askRaw('typing', 'x'.repeat(100_000)))).to.equal('RATE_LIMITED')
    clock.advance(1_000)
    expect(codeOf(await post())).to.equal('ok')
    flooder.close()
  })

  it('[BAD-30] an ended contract refuses every write with CONTRACT_ENDED, and the hub cancels its open calls', async () => {
    const { hub, human, agent, contract_id, clock } = stage
    const running = await stage.call('running')
    await agent.must('agent.tool.stream', { call_id: running, seq: 1, chunk: 'half' })
    const waiting = await stage.call('waiting')
    const end = { contract_id, key: 'end', outcome: 'done', reason: 'all sorted' }
    const { seq } = await human.must('contract.end', end)
    await human.event(contract_id, 'call.canceled', (event) => 'data' in event && (event.data as { call_id: string }).call_id === running)
    await human.event(contract_id, 'call.canceled', (event) => 'data' in event && (event.data as { call_id: string }).call_id === waiting)

    const writes = [
      human.ask('message.post', { contract_id, key: 'late', body: 'too late' }),
      human.ask('tool.call', { contract_id, key: 'late call', tool: 'shout', input: { text: 'x' } }),
      human.ask('tool.cancel', { contract_id, call_id: running }),
      human.ask('contract.end', { contract_id, key: 'end again', outcome: 'done' }),
      agent.ask('message.post', { contract_id, key: 'late', body: 'too late' }),
      agent.ask('agent.tool.stream', { call_id: running, seq: 2, chunk: 'late' }),
      agent.ask('agent.tool.result', { call_id: running, status: 'succeeded' }),
      agent.ask('agent.tool.result', { call_id: waiting, status: 'failed', error: { code: 'X', message: 'x' } }),
    ]
    expect((await Promise.all(writes)).map(codeOf)).to.deep.equal(writes.map(() => 'CONTRACT_ENDED'))
    expect(await human.must('contract.end', end)).to.deep.equal({ ok: true, seq, duplicate: true })

    const after = (await stage.log()).slice(seq)
    expect(after.map(({ type, data }) => [type, (data['error'] as { code: string }).code])).to.deep.equal([
      ['call.canceled', 'CONTRACT_ENDED'],
      ['call.canceled', 'CONTRACT_ENDED'],
    ])
    expect(after[0]?.data['stream']).to.include({ parts: 1, bytes: 4 })
    await agent.next('core.tool.cancel', ({ call_id }) => call_id === waiting)

    const { view } = await human.must('room.join', { contract_id })
    expect(view.contract).to.include({ state: 'ended', outcome: 'done', reason: 'all sorted' })
    expect(view.calls).to.deep.equal([])
    const row = async () => (await hub.get(`/contracts/${contract_id}`, hub.operator_token)).body as { state: string }
    await advanceUntil(clock, 'the list knows', async () => (await row()).state === 'ended')
    expect(await row()).to.include({ state: 'ended', outcome: 'done' })
  })
})
