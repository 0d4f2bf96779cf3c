import { randomUUID } from 'node:crypto'
import type { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { api, type Client, connectAgent, connectAs, openContract, registerAgent, signUp } from '../harness/people.ts'
import { codeOf, type Stage, setStage, shout, until } from './stage.ts'

/** Schemas and inputs that are made to take long: the hub is free all the while. */
describe('bad input: schemas that take too long', () => {
  let stage: Stage

  before(async () => {
    stage = await setStage()
  })

  beforeEach(() => stage.clock.advance(60_000))
  afterEach(() => stage.mustBeSound())
  after(() => stage.close())

  /** Seconds to compile: each pattern is some hundred thousand states. */
  const slowToCompile = () => ({
    ...shout,
    name: 'slow',
    input_schema: { allOf: Array.from({ length: 1_000 }, () => ({ pattern: `${randomUUID()}(\\p{L}{900})` })) },
  })
  /** Compiles at once; an input of many letters takes seconds. */
  const slowToCheck = {
    ...shout,
    name: 'slow',
    input_schema: { allOf: Array.from({ length: 40 }, (_, n) => ({ pattern: `(?:a?){${300 + n}}a{300}$` })) },
  }
  const letters = 'a'.repeat(10_000)
  const hello = { protocol: 1, agent: { name: 'scribe', version: '1.0.0' } }

  async function stranger() {
    const client = await connectAs(stage.hub, await registerAgent(stage.hub))
    await client.must('agent.hello', hello)
    return client
  }

  it('[BAD-37] while a schema takes too long to compile, the hub answers everybody else', async () => {
    const client = await stranger()
    const order: string[] = []
    const hostile = client.ask('agent.tools.register', { tools: [slowToCompile()] }).then((answer) => {
      order.push('hostile')
      return answer
    })
    // The hub has begun with it: this frame came behind it on the same socket.
    await client.must('agent.heartbeat', {})
    order.push('its own heartbeat')
    await api(stage.hub, 'GET', '/livez')
    order.push('livez')
    await stage.agent.must('agent.heartbeat', {})
    order.push('heartbeat')
    const answer = await hostile
    expect(order).to.deep.equal(['its own heartbeat', 'livez', 'heartbeat', 'hostile'])
    expect(answer).to.have.nested.property('error.code', 'TOOL_SCHEMA_INVALID')
    expect(answer).to.have.nested.property('error.errors[0]').that.deep.equals({
      pointer: '/tools/0/input_schema',
      detail: 'takes too long to compile',
    })
    client.close()
  })

  it('[BAD-37] a schema that took too long is refused again without a thread that looks at it', async () => {
    const client = await stranger()
    const tools = [slowToCompile()]
    const started: Worker[] = []
    const note = (worker: Worker) => started.push(worker)
    await client.ask('agent.tools.register', { tools })
    process.on('worker', note)
    for (let n = 0; n < 10; n += 1) expect(codeOf(await client.ask('agent.tools.register', { tools }))).to.equal('TOOL_SCHEMA_INVALID')
    process.off('worker', note)
    expect(started).to.deep.equal([])
    client.close()
  })

  it('[BAD-38] a call whose input takes too long to check fails, and other calls go on', async () => {
    const { hub, requester, human } = stage
    const { contract_id, provider } = await openContract(hub, { requester })
    const hostile = await connectAgent(hub, provider, [shout, slowToCheck])
    await human.must('room.join', { contract_id })
    const order: string[] = []
    const slow = human.must('tool.call', { contract_id, key: randomUUID(), tool: 'slow', input: letters }).then((ack) => {
      order.push('slow')
      return ack
    })
    await human.must('room.join', { contract_id })
    order.push('join')
    const call_id = await stage.call(randomUUID())
    await stage.agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    const { seq } = await slow
    expect(order).to.deep.equal(['join', 'slow'])
    const failed = await human.event(contract_id, 'call.failed', (event) => event.seq === seq)
    expect(failed.data['error']).to.deep.equal({ code: 'TOOL_INPUT_INVALID', message: 'the input took too long to check' })
    const after = await human.must('tool.call', { contract_id, key: randomUUID(), tool: 'shout', input: { text: 'x' } })
    await hostile.next('core.tool.call', (call) => call.call_id === after.call_id)
    await hostile.must('agent.tool.result', { call_id: after.call_id, status: 'succeeded' })
    hostile.close()
  })

  it('[BAD-39] an agent whose schemas were too slow too often is RATE_LIMITED, and nobody else', async () => {
    const client = await stranger()
    const register = () => client.ask('agent.tools.register', { tools: [slowToCompile()] })
    for (let n = 0; n < 4; n += 1) expect(codeOf(await register())).to.equal('TOOL_SCHEMA_INVALID')
    const answer = await client.ask('agent.tools.register', { tools: [shout] })
    expect(answer).to.have.nested.property('error.code', 'RATE_LIMITED')
    expect(answer).to.have.nested.property('error.facts.retry_after_ms', 60_000)
    await stage.agent.must('agent.tools.register', { tools: [shout] })
    stage.clock.advance(60_000)
    await client.must('agent.tools.register', { tools: [shout] })
    client.close()
  })

  it('[BAD-39] of many registrations at once only the first ones are looked at', async () => {
    const client = await stranger()
    const answers = Promise.all(Array.from({ length: 10 }, () => client.ask('agent.tools.register', { tools: [slowToCompile()] })))
    const honest = await stranger()
    await honest.must('agent.tools.register', { tools: [shout] })
    const codes = (await answers).map(codeOf)
    expect(codes.slice(0, 4)).to.deep.equal(Array(4).fill('TOOL_SCHEMA_INVALID'))
    expect(codes.slice(4)).to.deep.equal(Array(6).fill('RATE_LIMITED'))
    client.close()
    honest.close()
  })

  it('[BAD-41] inputs that take too long to check cost only who sent them, and those of a stranger are not looked at', async () => {
    const { hub, requester, human } = stage
    const { contract_id, provider } = await openContract(hub, { requester })
    const hostile = await openContract(hub, { provider })
    const agent = await connectAgent(hub, provider, [slowToCheck])
    const [stranger, other] = await Promise.all([connectAs(hub, await signUp(hub)), connectAs(hub, hostile.requester)])
    const ask = (client: Client, about: string, input: string) =>
      client.ask('tool.call', { contract_id: about, key: randomUUID(), tool: 'slow', input })
    const slow = async (client: Client) => codeOf(await ask(client, hostile.contract_id, letters))

    const started: Worker[] = []
    const note = (worker: Worker) => started.push(worker)
    process.on('worker', note)
    for (let n = 0; n < 5; n += 1) expect(await slow(stranger)).to.equal('NOT_FOUND')
    expect(codeOf(await ask(human, contract_id, 'a'))).to.equal('ok')
    process.off('worker', note)
    // A check that takes too long ends the thread, so that the next one starts another.
    expect(started).to.deep.equal([])

    for (let n = 0; n < 4; n += 1) expect(await slow(other)).to.equal('ok')
    expect(await slow(other)).to.equal('RATE_LIMITED')
    expect(codeOf(await ask(human, contract_id, 'a'))).to.equal('ok')
    await agent.must('agent.tools.register', { tools: [slowToCheck] })
    for (const client of [agent, stranger, other]) client.close()
  })

  it('[BAD-40] a hub that closes in the middle of a check ends the thread', async () => {
    const threads: { worker: Worker; isOver: boolean }[] = []
    const note = (worker: Worker) => {
      const thread = { worker, isOver: false }
      threads.push(thread)
      worker.once('exit', () => {
        thread.isOver = true
      })
    }
    process.on('worker', note)
    const other = await setStage()
    const sent = other.agent.ask('agent.tools.register', { tools: [slowToCompile()] }).catch(() => undefined)
    await other.agent.must('agent.heartbeat', {})
    process.off('worker', note)
    expect(threads).to.have.lengthOf(1)
    await other.close()
    await sent
    await until('the thread is over', () => threads.every(({ isOver }) => isOver))
  })
})
