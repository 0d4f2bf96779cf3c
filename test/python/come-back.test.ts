import { expect } from 'chai'
import type { WireEvent } from '../../shared/protocol/index.ts'
import { createManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { api, connectAs, openContract, type Person } from '../harness/people.ts'
import { createHubNetwork } from '../harness/processes/network.ts'
import { advanceUntil } from '../scenarios/stage.ts'
import { type PythonAgent, startPythonAgent } from './python-agent.ts'
import { pythonEnvironment } from './python-environment.ts'

/** The packages of the environment come over the network the first time. */
const INSTALL_MS = 180_000

type Event = Exclude<WireEvent, { type: 'redacted' }> & { data: Record<string, unknown> }
const ofCall = (call_id: string) => (event: WireEvent) => 'data' in event && 'call_id' in event.data && event.data.call_id === call_id
const eventsIn = (agent: PythonAgent) => agent.saw.filter(({ saw }) => saw === 'event').map(({ payload }) => payload as Event)

describe('an agent in Python that comes back', () => {
  const clock = createManualClock()
  let python: string
  let hub: TestHub
  /** Run at the end, also after a test that failed half-way. */
  const closers: (() => Promise<unknown>)[] = []

  before(async function () {
    this.timeout(INSTALL_MS)
    python = await pythonEnvironment()
    hub = await startHub({ clock })
  })
  after(async () => {
    for (const close of closers.reverse()) await close()
    await hub?.close()
    expect(hub?.troubles ?? []).to.deep.equal([])
  })

  function start({ auth }: Pick<Person, 'auth'>, url: string): PythonAgent {
    const agent = startPythonAgent(python, { url, auth })
    closers.push(() => agent.stop())
    return agent
  }

  it('[PY-8] after a cut it has the same session, every missed event once, and finishes the call that it had', async () => {
    const { contract_id, requester, provider } = await openContract(hub)
    const network = await createHubNetwork(hub.url)
    closers.push(() => network.close())
    const agent = start(provider, network.url)
    await agent.ask('connect')
    const { payload: first } = await agent.sight('ready')
    await agent.ask('join', { contract_id })
    const human = await connectAs(hub, requester)
    await human.must('room.join', { contract_id })
    const post = (body: string) => human.must('message.post', { contract_id, key: body, body })
    const { call_id } = await human.must('tool.call', { contract_id, key: 'long', tool: 'hold', input: { text: 'so far' } })
    await human.next('chunk')
    const before = await post('before the cut')
    await agent.sight('event', ({ payload }) => (payload as Event).seq === before.seq)

    network.cut()
    await agent.sight('gone')
    for (let index = 0; index < 100; index++) await post(`missed ${index}`)
    network.mend()
    const again = await agent.sight('ready', (sight) => sight !== agent.saw.find(({ saw }) => saw === 'ready'))
    expect(again.payload).to.deep.equal(first)
    await agent.ask('go on', { call_id })
    expect(await human.event(contract_id, 'call.succeeded', ofCall(call_id))).to.have.nested.property('data.output.text', 'SO FAR')
    const last = await post('after the cut')
    await agent.sight('event', ({ payload }) => (payload as Event).seq === last.seq)

    const { body } = await api<{ events: Event[] }>(hub, 'GET', `/contracts/${contract_id}/events?limit=500`, {
      bearer: hub.operator_token,
    })
    expect(eventsIn(agent)).to.deep.equal(body.events.slice(1)) // it joined after contract.opened
    expect(agent.saw.filter(({ saw, holds }) => saw === 'event' && holds !== true)).to.deep.equal([])
    expect(agent.saw.filter(({ saw }) => saw === 'repeated' || saw === 'reset')).to.deep.equal([])
    expect(body.events.filter(ofCall(call_id)).map(({ type }) => type)).to.deep.equal(['call.requested', 'call.started', 'call.succeeded'])
    human.close()
    expect(await agent.stop()).to.equal(0)
  })

  it('[PY-15] after a cut it names the calls that it has, is told which one ended meanwhile, and finishes the other', async () => {
    const { contract_id, requester, provider } = await openContract(hub)
    const network = await createHubNetwork(hub.url)
    closers.push(() => network.close())
    const agent = start(provider, network.url)
    await agent.ask('connect')
    const { payload: first } = await agent.sight('ready')
    const human = await connectAs(hub, requester)
    await human.must('room.join', { contract_id })
    const call = async (key: string) => (await human.must('tool.call', { contract_id, key, tool: 'hold', input: { text: key } })).call_id
    const [ended, open] = [await call('one'), await call('two')]
    // Both: an answer that is lost with the connection it would wait for in vain.
    await agent.sight('chunk.answer', () => agent.saw.filter(({ saw }) => saw === 'chunk.answer').length === 2)
    network.cut()
    await agent.sight('gone')
    await human.must('tool.cancel', { contract_id, call_id: ended })
    const isOver = () => human.events(contract_id).some((event) => event.type === 'call.canceled' && ofCall(ended)(event))
    await advanceUntil(clock, 'it is canceled', isOver, 100)
    // From here on the clock stands: no sweep of the hub tells it.
    network.mend()
    const again = await agent.sight('ready', (sight) => sight !== agent.saw.find(({ saw }) => saw === 'ready'))
    expect(again.payload).to.deep.equal(first)
    const told = agent.saw.filter(({ saw }) => saw === 'core.tool.cancel').map(({ payload }) => payload)
    expect(told).to.deep.include({ call_id: ended, reason: 'call.canceled' })
    const late = await agent.sight('result', ({ call_id }) => call_id === ended)
    expect(late.payload).to.have.nested.property('error.code', 'CALL_NOT_OPEN')
    await agent.ask('go on', { call_id: open })
    expect(await human.event(contract_id, 'call.succeeded', ofCall(open))).to.have.nested.property('data.output.text', 'TWO')
    human.close()
    expect(await agent.stop()).to.equal(0)
  })
})
