import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { type Client, connectAgent, connectAs, openContract, registerAgent } from '../../harness/people.ts'
import { codeOf, type Stage, setStage, shout } from '../stage.ts'

/** An agent that gets the calls' protocol wrong. */
describe('bad input: agents and calls', () => {
  let stage: Stage
  const hello = { protocol: 1, agent: { name: 'scribe', version: '1.0.0' } }

  before(async () => {
    stage = await setStage()
  })

  beforeEach(() => stage.clock.advance(5_000))
  afterEach(() => stage.mustBeSound())
  after(() => stage.close())

  async function withAgent(run: (client: Client) => Promise<void>) {
    const client = await connectAs(stage.hub, await registerAgent(stage.hub))
    await run(client)
    client.close()
  }

  it('[BAD-18] a chunk out of order names the one that is due, and a repeated one is acknowledged and shown once', async () => {
    const { agent, human } = stage
    const call_id = await stage.call('chunks')
    const early = await agent.ask('agent.tool.stream', { call_id, seq: 2, chunk: 'b' })
    expect(early).to.have.nested.property('error.code', 'CHUNK_OUT_OF_ORDER')
    expect(early).to.have.nested.property('error.facts.next_seq', 1)
    await agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'a' })
    await agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'a' })
    expect(codeOf(await agent.askRaw('agent.tool.stream', { call_id, seq: 0, chunk: 'x' }))).to.equal('FRAME_INVALID')
    await agent.must('agent.tool.stream', { call_id, seq: 2, chunk: 'b' })
    await human.next('chunk', (chunk) => chunk.call_id === call_id && chunk.seq === 2)
    const shown = human.told.filter(({ type, payload }) => type === 'chunk' && (payload as { call_id: string }).call_id === call_id)
    expect(shown).to.have.lengthOf(2)
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect(codeOf(await agent.ask('agent.tool.stream', { call_id, seq: 3, chunk: 'late' }))).to.equal('CALL_NOT_OPEN')
  })

  it('[BAD-19] the same result twice is a duplicate, another one is CALL_NOT_OPEN', async () => {
    const { agent } = stage
    const call_id = await stage.call('twice')
    const first = await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: { a: 1, b: [2] } })
    const same = await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: { b: [2], a: 1 } })
    expect(same).to.deep.equal({ ok: true, seq: first.seq, duplicate: true })
    const different = [
      { status: 'succeeded', output: { a: 2 } },
      { status: 'failed', error: { code: 'X', message: 'x' } },
      { status: 'canceled' },
    ] as const
    for (const outcome of different) expect(codeOf(await agent.ask('agent.tool.result', { call_id, ...outcome }))).to.equal('CALL_NOT_OPEN')
    expect((await stage.log()).filter(({ data }) => data['call_id'] === call_id).map(({ type }) => type)).to.deep.equal([
      'call.requested',
      'call.started',
      'call.succeeded',
    ])
  })

  it('[BAD-20] a result before any other sign starts the call first; one for an unknown call is NOT_FOUND', async () => {
    const { agent } = stage
    const call_id = await stage.call('at-once')
    const { seq } = await agent.must('agent.tool.result', { call_id, status: 'failed', error: { code: 'BROKEN', message: 'no' } })
    const last = (await stage.log()).slice(-2)
    expect(last.map((event) => [event.seq, event.type])).to.deep.equal([
      [seq - 1, 'call.started'],
      [seq, 'call.failed'],
    ])
    expect(last[0]?.data['session_id']).to.equal(agent.session_id)
    expect(codeOf(await agent.ask('agent.tool.result', { call_id: randomUUID(), status: 'succeeded' }))).to.equal('NOT_FOUND')
  })

  it('[BAD-20] a failed result without its error is refused, and the call stays open', async () => {
    const { agent } = stage
    const call_id = await stage.call('no-error')
    const answer = await agent.ask('agent.tool.result', { call_id, status: 'failed' })
    expect(answer).to.have.nested.property('error.errors[0].pointer', '/error')
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
  })

  it('[BAD-21] a hello with another protocol is refused, and the spoken ones are named', () =>
    withAgent(async (client) => {
      for (const protocol of [0, 2, 1.5, -1]) {
        const answer = await client.ask('agent.hello', { ...hello, protocol })
        expect(answer).to.have.nested.property('error.code', 'PROTOCOL_UNSUPPORTED')
        expect(answer).to.have.nested.property('error.facts.protocols').that.deep.equals([1])
      }
      await client.must('agent.hello', hello)
    }))

  it('[BAD-22] a human does not say hello, and nobody registers tools or beats before it', async () => {
    expect(codeOf(await stage.human.ask('agent.hello', hello))).to.equal('PERMISSION_DENIED')
    expect(codeOf(await stage.human.ask('agent.tools.register', { tools: [shout] }))).to.equal('HELLO_REQUIRED')
    await withAgent(async (client) => {
      expect(codeOf(await client.ask('agent.tools.register', { tools: [shout] }))).to.equal('HELLO_REQUIRED')
      expect(codeOf(await client.ask('agent.heartbeat', {}))).to.equal('HELLO_REQUIRED')
    })
  })

  it('[BAD-22] a result before the hello is HELLO_REQUIRED: the call is not over', async () => {
    const { requester, hub } = stage
    const { contract_id, provider } = await openContract(hub, { requester })
    const first = await connectAgent(hub, provider, [shout])
    const { call_id } = await stage.human.must('tool.call', { contract_id, key: 'k', tool: 'shout', input: { text: 'x' } })
    await first.next('core.tool.call')
    first.close()
    const again = await connectAs(hub, provider)
    expect(codeOf(await again.ask('agent.tool.result', { call_id, status: 'succeeded' }))).to.equal('HELLO_REQUIRED')
    expect(codeOf(await again.ask('agent.tool.stream', { call_id, seq: 1, chunk: 'x' }))).to.equal('HELLO_REQUIRED')
    await again.must('agent.hello', hello)
    await again.must('agent.tool.result', { call_id, status: 'succeeded' })
    again.close()
  })

  const badSchemas = {
    'a type that is none': { type: 'objekt' },
    'a keyword of the wrong type': { properties: 7 },
    'a reference to another place': { $ref: 'https://example.invalid/schema.json' },
    'a reference to nowhere': { $ref: '#/$defs/none' },
    'a pattern that is none': { type: 'string', pattern: '(' },
    'a pattern that cannot run in linear time': { type: 'string', pattern: '^(a)\\1$' },
    'an asynchronous schema': { $async: true, type: 'string' },
    '100 KB': { description: 'x'.repeat(100_000) },
  }
  for (const [what, input_schema] of Object.entries(badSchemas)) {
    it(`[BAD-23] a tool schema with ${what} is TOOL_SCHEMA_INVALID, and the set before stays`, async () => {
      const answer = await stage.agent.ask('agent.tools.register', { tools: [shout, { ...shout, name: 'bad', input_schema }] })
      expect(answer).to.have.nested.property('error.code', 'TOOL_SCHEMA_INVALID')
      expect(answer).to.have.nested.property('error.errors[0].pointer', '/tools/1/input_schema')
      const { view } = await stage.human.must('room.join', { contract_id: stage.contract_id })
      expect(view.tools.map(({ name }) => name)).to.deep.equal(['shout'])
    })
  }

  it('[BAD-24] a tool name that stands twice, too many tools and a time-out beyond the limit are refused', async () => {
    const register = (tools: object[]) => stage.agent.askRaw('agent.tools.register', { tools })
    expect(await register([shout, shout])).to.have.nested.property('error.errors[0].pointer', '/tools/1/name')
    expect(codeOf(await register(Array.from({ length: 129 }, (_, n) => ({ ...shout, name: `t${n}` }))))).to.equal('FRAME_INVALID')
    expect(await register([{ ...shout, timeout_ms: 86_400_001 }])).to.have.nested.property('error.errors[0].pointer', '/tools/0/timeout_ms')
    expect(codeOf(await register([{ ...shout, name: 'no spaces' }]))).to.equal('FRAME_INVALID')
  })

  /** Ten levels of references, each of which asks for the next one twice. */
  const doubling = (levels: number) => ({
    $ref: '#/$defs/a0',
    $defs: Object.fromEntries(
      Array.from({ length: levels }, (_, n) => [
        `a${n}`,
        n === levels - 1 ? { type: 'string' } : { allOf: [{ $ref: `#/$defs/a${n + 1}` }, { $ref: `#/$defs/a${n + 1}` }] },
      ]),
    ),
  })
  const slowSchemas = {
    'a catastrophic pattern': {
      schema: { type: 'string', pattern: '^(a+)+$' },
      input: `${'a'.repeat(50_000)}!`,
      code: 'TOOL_INPUT_INVALID',
    },
    'a catastrophic property pattern': {
      schema: { type: 'object', patternProperties: { '^(a+)+$': false } },
      input: { [`${'a'.repeat(50_000)}!`]: 1 },
      code: undefined,
    },
    'unique items': {
      schema: { type: 'array', uniqueItems: true },
      input: Array.from({ length: 30_000 }, (_, n) => [n]),
      code: undefined,
    },
    'references that double': { schema: doubling(40), input: 'text', code: 'TOOL_INPUT_INVALID' },
  }
  for (const [what, { schema, input, code }] of Object.entries(slowSchemas)) {
    it(`[BAD-25] no schema of an agent keeps the hub busy: ${what}`, async () => {
      const { contract_id, agent, human } = stage
      stage.clock.advance(10_000)
      await agent.must('agent.tools.register', { tools: [shout, { ...shout, name: 'slow', input_schema: schema }] })
      const before = performance.now()
      const { call_id, seq } = await human.must('tool.call', { contract_id, key: randomUUID(), tool: 'slow', input })
      // A check is given up after a quarter of a second; unbounded, the quickest of these takes half a minute.
      expect(performance.now() - before).to.be.below(8_000)
      const event = (await stage.log()).at(seq - 1)
      expect(event?.data['call_id']).to.equal(call_id)
      expect((event?.data['error'] as { code: string } | undefined)?.code).to.equal(code)
      if (code === undefined) await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
      await agent.must('agent.tools.register', { tools: [shout] })
    })
  }

  it('[BAD-26] a tool input may hold any names; __proto__ is data and touches nothing', async () => {
    const { contract_id, agent, human } = stage
    await agent.must('agent.tools.register', { tools: [shout, { ...shout, name: 'any', input_schema: true }] })
    const input = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":1}},"$set":{"a.b":1}}')
    const { call_id } = await human.must('tool.call', { contract_id, key: randomUUID(), tool: 'any', input })
    const sent = await agent.next('core.tool.call', (call) => call.call_id === call_id)
    expect(JSON.stringify(sent.input)).to.equal(JSON.stringify(input))
    expect({}).not.to.have.property('polluted')
    const refused = await human.must('tool.call', {
      contract_id,
      key: randomUUID(),
      tool: 'shout',
      input: JSON.parse('{"text":"x","__proto__":1}'),
    })
    expect((await stage.log()).at(refused.seq - 1)?.type).to.equal('call.failed')
    await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: input })
    expect(JSON.stringify((await stage.log()).at(-1)?.data['output'])).to.equal(JSON.stringify(input))
    await agent.must('agent.tools.register', { tools: [shout] })
  })
})
