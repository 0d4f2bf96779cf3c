import { expect } from 'chai'
import type { Socket } from 'socket.io'
import { createFanOut, type FanOut } from '../../../server/gateway/delivery/fan-out.ts'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { type Client, connectAgent, connectAs, openContract } from '../../harness/people.ts'
import { advanceUntil, mustBeSound, shout } from '../stage.ts'

/** An agent may leave every call without an acknowledgement: its chunks and results say that it has them. */
describe('calls: without an acknowledgement', () => {
  const clock = createManualClock()
  let hub: TestHub
  let contract_id: string
  let agent: Client
  let human: Client
  /** The connections as the hub has them. */
  const sockets = new Map<string | undefined, Socket>()

  beforeEach(async () => {
    const fanOut = createFanOut('/rooms')
    const answer: FanOut['answer'] = (socket, ...rest) => {
      sockets.set(socket.id, socket)
      return fanOut.answer(socket, ...rest)
    }
    hub = await startHub({ clock, fanOut: { ...fanOut, answer } })
    const opened = await openContract(hub)
    contract_id = opened.contract_id
    agent = await connectAgent(hub, opened.provider, [shout])
    human = await connectAs(hub, opened.requester)
    await human.must('room.join', { contract_id })
  })

  afterEach(async () => {
    await mustBeSound(hub, contract_id)
    for (const client of [agent, human]) client.close()
    await hub.close()
  })

  async function call(key: string): Promise<string> {
    const { call_id } = await human.must('tool.call', { contract_id, key, tool: 'shout', input: { text: 'x' }, timeout_ms: 10_000 })
    await agent.next('core.tool.call', (sent) => sent.call_id === call_id)
    return call_id
  }
  const waiting = () => (sockets.get(agent.socket.id) as unknown as { acks: Map<number, unknown> }).acks.size

  it('[CALL-30] a call that was answered, at once or after chunks, leaves nothing behind on the connection', async () => {
    const [streamed, answered] = [await call('one'), await call('two')]
    expect(waiting()).to.equal(2)
    await agent.must('agent.tool.stream', { call_id: streamed, seq: 1, chunk: 'x' })
    expect(waiting()).to.equal(1)
    for (const call_id of [streamed, answered]) await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect(waiting()).to.equal(0)
  })

  it('[CALL-30] nor does one that was canceled, or that its deadline ended', async () => {
    const [canceled, late] = [await call('one'), await call('two')]
    expect(waiting()).to.equal(2)
    await human.must('tool.cancel', { contract_id, call_id: canceled })
    await agent.next('core.tool.cancel', ({ call_id }) => call_id === canceled)
    expect(waiting()).to.equal(1)
    const isTold = () => agent.told.some(({ payload }) => JSON.stringify(payload).includes('call.timed_out'))
    await advanceUntil(clock, 'the agent is told of the deadline', isTold)
    expect(agent.told.map(({ payload }) => payload)).to.deep.include({ call_id: late, reason: 'call.timed_out' })
    expect(waiting()).to.equal(0)
  })

  it('[CALL-30] one that it shows to have is sent again when the same connection says hello again', async () => {
    const call_id = await call('one')
    await agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'x' })
    agent.told.length = 0
    await agent.must('agent.hello', { protocol: 1, agent: { name: 'scribe', version: '1.0.0' } })
    await agent.next('core.tool.call', (sent) => sent.call_id === call_id)
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
  })
})
