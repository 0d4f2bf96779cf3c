import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import type { RecordedEvent } from '../../../shared/protocol/index.ts'
import { type Client, connectAs, openContract } from '../../harness/people.ts'
import { advanceUntil, codeOf, readLog, type Stage, setStage, shout, until } from '../stage.ts'

const TERMINAL = ['call.succeeded', 'call.failed', 'call.canceled', 'call.timed_out', 'call.abandoned']
const seed = Date.now() % 2_147_483_647

/** Every call has exactly one end, whoever is first. */
describe('calls: outcomes', () => {
  let stage: Stage
  /** Staff by the operator's token, which does not end while the clock moves. */
  let human: Client
  const danger = { ...shout, name: 'danger', requires_approval: true, risk: 'high' } as const

  before(async () => {
    stage = await setStage({ tools: [shout, danger, { ...shout, name: 'quick', timeout_ms: 1_500 }], limits: { frames_burst: 100_000 } })
    human = await connectAs(stage.hub, { auth: { token: stage.hub.operator_token } })
    await human.must('room.join', { contract_id: stage.contract_id })
    await human.next('live')
  })

  beforeEach(() => stage.clock.advance(5_000))
  afterEach(() => stage.mustBeSound())
  after(async () => {
    human.close()
    await stage.close()
  })

  const eventsOf = async (call_id: string, contract_id = stage.contract_id) =>
    (await readLog(stage.hub, contract_id)).filter(({ data }) => data['call_id'] === call_id)

  type Step = 'ack' | 'chunk' | 'succeed' | 'fail' | 'cancel' | 'deadline' | 'end' | 'turn'
  const steps = fc.array(fc.constantFrom<Step>('ack', 'chunk', 'succeed', 'fail', 'cancel', 'deadline', 'end', 'turn'), {
    minLength: 3,
    maxLength: 9,
  })

  it(`[CALL-1] of all that may end a call at once, exactly one does (seed ${seed})`, async function () {
    this.timeout(120_000)
    const { hub, clock, agent, requester, provider } = stage
    let round = 0

    async function play(order: readonly Step[]): Promise<void> {
      const { contract_id } = await openContract(hub, { requester, provider })
      const { call_id } = await human.must('tool.call', { contract_id, key: `${round++}`, tool: 'shout', input: { text: 'x' } })
      await agent.next('core.tool.call', (sent) => sent.call_id === call_id)
      let chunks = 0
      const acts: Record<Step, () => unknown> = {
        ack: () => agent.ask('agent.tool.stream', { call_id, seq: 1, chunk: 'x' }),
        chunk: () => agent.ask('agent.tool.stream', { call_id, seq: ++chunks, chunk: `${chunks};` }),
        succeed: () => agent.ask('agent.tool.result', { call_id, status: 'succeeded', output: round }),
        fail: () => agent.ask('agent.tool.result', { call_id, status: 'failed', error: { code: 'X', message: 'x' } }),
        cancel: () => human.ask('tool.cancel', { contract_id, call_id }),
        deadline: () => clock.advance(120_000),
        end: () => human.ask('contract.end', { contract_id, key: 'end', outcome: 'over' }),
        turn: () => new Promise(setImmediate),
      }
      const answers = order.map((step) => ({ step, answer: acts[step]() }))
      for (const step of order) if (step === 'turn') await acts.turn()
      await Promise.all(answers.map(({ answer }) => answer))
      await advanceUntil(
        clock,
        'the call has ended',
        async () => (await eventsOf(call_id, contract_id)).some(({ type }) => TERMINAL.includes(type)),
        5_000,
      )

      const events = await eventsOf(call_id, contract_id)
      const ends = events.filter(({ type }) => TERMINAL.includes(type))
      expect(ends, JSON.stringify(events)).to.have.lengthOf(1)
      expect(events.filter(({ type }) => type === 'call.started').length).to.be.at.most(1)
      expect(events.indexOf(ends[0] as never), 'nothing of the call comes behind its end').to.equal(events.length - 1)
      const told = await Promise.all(
        answers.map(async ({ step, answer }) => ({ step, ...((await answer) as { ok?: boolean; duplicate?: true }) })),
      )
      const won = told.filter(({ step, ok, duplicate }) => (step === 'succeed' || step === 'fail') && ok && !duplicate)
      expect(won.length, 'whose result was taken, his it is').to.equal((ends[0] as RecordedEvent | undefined)?.by.kind === 'agent' ? 1 : 0)
      const stream = ends[0]?.data['stream'] as { parts: number; bytes: number } | undefined
      const text = await fetch(`${hub.url}/contracts/${contract_id}/calls/${call_id}/text`, {
        headers: { authorization: `Bearer ${hub.operator_token}` },
      })
      const acknowledged = told.filter(({ step, ok }) => step === 'chunk' && ok).length
      expect(stream?.parts ?? 0, 'an acknowledged chunk is in the seal').to.be.at.least(acknowledged)
      if (stream === undefined) expect(text.status).to.equal(404)
      else expect(Buffer.byteLength(await text.text())).to.equal(stream.bytes)
    }

    await fc.assert(fc.asyncProperty(steps, play), { numRuns: 50, seed })
  })

  it('[CALL-2] at its deadline a call is timed out, at the tool’s or the caller’s or the hub’s', async () => {
    const { clock, contract_id, agent } = stage
    for (const [tool, timeout_ms, expected_ms] of [
      ['shout', undefined, 120_000],
      ['quick', undefined, 1_500],
      ['quick', 700, 700],
      ['shout', 10_000_000_000, 86_400_000],
    ] as const) {
      const frame = { contract_id, key: randomUUID(), tool, input: { text: 'x' }, ...(timeout_ms ? { timeout_ms } : {}) }
      const { call_id } = await human.must('tool.call', frame)
      const sent = await agent.next('core.tool.call', (call) => call.call_id === call_id)
      expect(Date.parse(sent.deadline) - clock.now()).to.equal(expected_ms)
      if (expected_ms > 120_000) {
        await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
        continue
      }
      clock.advance(expected_ms - 1)
      await human.must('typing', { contract_id })
      expect((await eventsOf(call_id)).map(({ type }) => type)).to.deep.equal(['call.requested'])
      clock.advance(1)
      const deadline = sent.deadline
      await advanceUntil(clock, 'it has ended', async () => (await eventsOf(call_id)).length === 2, 0)
      const ended = (await eventsOf(call_id))[1]
      expect(ended).to.include({ type: 'call.timed_out', at: deadline })
      expect(ended).to.deep.include({ by: { kind: 'system', id: 'system' } })
      await agent.next('core.tool.cancel', (cancel) => cancel.call_id === call_id)
      expect(codeOf(await agent.ask('agent.tool.result', { call_id, status: 'succeeded' }))).to.equal('CALL_NOT_OPEN')
    }
    await agent.must('agent.heartbeat', {})
  })

  it('[CALL-3] a cancel comes true within 2 s of the first one, however many ask', async () => {
    const { clock, contract_id, agent } = stage
    const call_id = await stage.call(randomUUID(), human)
    await human.must('tool.cancel', { contract_id, call_id, reason: 'enough' })
    await agent.next('core.tool.cancel', (cancel) => cancel.call_id === call_id)
    clock.advance(1_500)
    await agent.must('tool.cancel', { contract_id, call_id, reason: 'me too' })
    await until(
      'the second is told',
      () =>
        agent.told.filter(({ type, payload }) => type === 'core.tool.cancel' && (payload as { call_id: string }).call_id === call_id)
          .length === 2,
    )
    clock.advance(500)
    await advanceUntil(clock, 'it is canceled', async () => (await eventsOf(call_id)).some(({ type }) => type === 'call.canceled'), 0)
  })

  it('[CALL-3] who cancels twice is told of the first time', async () => {
    const { contract_id, agent } = stage
    const call_id = await stage.call(randomUUID(), human)
    const first = await human.must('tool.cancel', { contract_id, call_id })
    expect(await human.must('tool.cancel', { contract_id, call_id })).to.deep.equal({ ...first, duplicate: true })
    await agent.must('agent.tool.result', { call_id, status: 'canceled' })
    // With another reason, and after the end: it is the same wish, and it was heard.
    expect(await human.must('tool.cancel', { contract_id, call_id, reason: 'late' })).to.deep.equal({ ...first, duplicate: true })
  })

  it('[CALL-4] a tool that needs an approval is never sent, and nothing but its time can end it', async () => {
    const { clock, contract_id, agent, hub, provider } = stage
    const { call_id } = await human.must('tool.call', { contract_id, key: randomUUID(), tool: 'danger', input: { text: 'x' } })
    await agent.must('agent.hello', { protocol: 1, agent: { name: 'scribe', version: '1' }, resume: agent.session_id })
    await agent.must('agent.tools.register', { tools: [shout, danger] })
    const { view } = await human.must('room.join', { contract_id })
    expect(view.approvals).to.deep.equal([call_id])
    expect(codeOf(await agent.ask('agent.tool.stream', { call_id, seq: 1, chunk: 'x' }))).to.equal('CALL_NOT_OPEN')
    expect(codeOf(await agent.ask('agent.tool.result', { call_id, status: 'succeeded' }))).to.equal('CALL_NOT_OPEN')
    await stage.call(randomUUID(), human)
    expect(
      agent.told.filter(({ type, payload }) => type === 'core.tool.call' && (payload as { call_id: string }).call_id === call_id),
    ).to.deep.equal([])
    await advanceUntil(clock, 'it is timed out', async () => (await eventsOf(call_id)).length === 2, 60_000)
    expect((await eventsOf(call_id)).map(({ type }) => type)).to.deep.equal(['call.requested', 'call.timed_out'])
    expect((await hub.get('/me', provider.bearer)).status).to.equal(200)
  })
})
