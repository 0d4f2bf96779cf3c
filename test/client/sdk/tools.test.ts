import { expect } from 'chai'
import { z } from 'zod'
import type { ToolCall } from '../../../client/sdk/index.ts'
import { take, untilLive, untilRoom, useWorld } from './sdk-world.ts'

describe('tools of the sdk', () => {
  const w = useWorld()
  let contract_id: string
  beforeEach(() => {
    contract_id = w.hub.openContract()
  })

  const search = { name: 'search', description: 'Finds.', input: z.object({ q: z.string(), limit: z.number().default(3) }) }
  const result = async () => {
    const { call_id: _, ...rest } = await w.hub.arrival('agent.tool.result')
    return rest
  }

  it('[SDK-20] tools named together are registered in one frame, with the schema that a caller has to meet', async () => {
    const { sdk } = await w.join()
    sdk.tool({ ...search, risk: 'high', timeout_ms: 5_000, run: ({ q, limit }) => q.repeat(limit) })
    sdk.tool({ name: 'raw', description: 'Any.', input: { type: 'object' }, run: () => null })
    expect(await sdk.ready()).to.deep.equal(['search', 'raw'])
    const properties = { q: { type: 'string' }, limit: { type: 'number', default: 3 } }
    const input_schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', properties, required: ['q'] }
    expect(w.hub.payloads('agent.tools.register')).to.deep.equal([
      {
        tools: [
          { name: 'search', description: 'Finds.', input_schema, risk: 'high', timeout_ms: 5_000 },
          { name: 'raw', description: 'Any.', input_schema: { type: 'object' } },
        ],
      },
    ])
  })

  it('[SDK-20] they are registered again after each reconnect; a refusal is told by ready', async () => {
    const { sdk, problems } = await w.join()
    w.hub.next('agent.tools.register', { refuse: 'TOOL_SCHEMA_INVALID' })
    sdk.tool({ ...search, run: () => null })
    const refusal = await sdk.ready().catch((error: unknown) => error)
    expect(refusal).to.include({ code: 'TOOL_SCHEMA_INVALID' })
    expect(problems.map(({ during }) => during)).to.deep.equal(['register'])
    w.hub.cut()
    await new Promise((resolve) => sdk.on('state', resolve))
    await untilLive(sdk)
    expect(await sdk.ready()).to.deep.equal(['search'])
  })

  it('[SDK-20] a schema that JSON Schema cannot say throws where it is named', async () => {
    const { sdk } = await w.join()
    expect(() => sdk.tool({ name: 'when', description: '', input: z.object({ at: z.date() }), run: () => null })).to.throw('Date')
  })

  it('[SDK-21] a call runs once, with defaults filled in, however often the hub sends it', async () => {
    const { sdk } = await w.join()
    const runs: unknown[] = []
    sdk.tool({ ...search, run: (input, { call_id }) => runs.push([call_id, input]) })
    await sdk.ready()
    const first = result()
    const call_id = w.hub.askTool(contract_id, { input: { q: 'x' } })
    w.hub.askTool(contract_id, { call_id, input: { q: 'x' } })
    expect(await first).to.deep.equal({ status: 'succeeded', output: 1 })
    // A round trip later the outbox has its acknowledgement.
    await sdk.room(contract_id)
    const again = result()
    w.hub.askTool(contract_id, { call_id, input: { q: 'x' } })
    expect(await again).to.deep.equal({ status: 'succeeded', output: 1 })
    expect(runs).to.deep.equal([[call_id, { q: 'x', limit: 3 }]])
  })

  it('[SDK-21] a result whose acknowledgement is lost with the connection goes again, and nothing runs twice', async () => {
    const { sdk } = await w.join()
    let runs = 0
    sdk.tool({ ...search, run: () => ++runs })
    await sdk.ready()
    w.hub.next('agent.tool.result', { cut: 'after' })
    const [first, second] = [result(), result()]
    const call_id = w.hub.askTool(contract_id, { input: { q: 'x' } })
    await first
    await untilLive(sdk)
    w.hub.askTool(contract_id, { call_id, input: { q: 'x' } })
    expect(await second).to.deep.equal({ status: 'succeeded', output: 1 })
    expect(w.hub.log(contract_id).events.filter(({ type }) => type === 'call.succeeded')).to.have.length(1)
  })

  it('[SDK-23] a cancel aborts the signal, and the call ends as canceled, thrown or not', async () => {
    const { sdk } = await w.join()
    let started = Promise.withResolvers<void>()
    const aborted = (call: ToolCall) => {
      started.resolve()
      return new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve()))
    }
    sdk.tool({ name: 'quiet', description: '', input: {}, run: (_, call) => aborted(call) })
    sdk.tool({
      ...{ name: 'loud', description: '', input: {} },
      async run(_, call) {
        await aborted(call)
        call.signal.throwIfAborted()
      },
    })
    await sdk.ready()
    for (const tool of ['quiet', 'loud']) {
      for (const isStarted of [true, false]) {
        started = Promise.withResolvers()
        const outcome = result()
        const call_id = w.hub.askTool(contract_id, { tool })
        if (isStarted) await started.promise
        w.hub.push('core.tool.cancel', { call_id, reason: 'Changed my mind.' })
        expect(await outcome).to.deep.equal({ status: 'canceled', error: { code: 'CANCELED', message: 'Changed my mind.' } })
      }
    }
  })

  it('[SDK-23] the deadline aborts the signal, a moment after the hub gave up', async () => {
    const { sdk } = await w.join()
    sdk.tool({
      ...search,
      run: (_, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    await sdk.ready()
    const outcome = result()
    w.hub.askTool(contract_id, { input: { q: 'x' }, deadline: new Date(w.clock.now() + 2_000).toISOString() })
    while (!w.clock.waits.includes(3_000)) await new Promise(setImmediate)
    w.clock.pass(3_000)
    expect(await outcome).to.have.nested.property('error.code', 'DEADLINE_PASSED')
  })

  it('[SDK-24] an exception fails the call with its message and no stack, and is reported here', async () => {
    const { sdk, problems } = await w.join()
    const run = () => {
      throw new Error('The index is broken.')
    }
    sdk.tool({ ...search, run })
    await sdk.ready()
    const outcome = result()
    w.hub.askTool(contract_id, { input: { q: 'x' } })
    expect(await outcome).to.deep.equal({ status: 'failed', error: { code: 'TOOL_FAILED', message: 'The index is broken.' } })
    expect(problems.map(({ during }) => during)).to.deep.equal(['tool'])
  })

  it('[SDK-24] whatever is thrown fails the call, with words that the hub takes', async () => {
    const { sdk } = await w.join()
    const unspeakable = () => {
      throw new Error('asked')
    }
    const thrown: [unknown, string][] = [
      [undefined, 'undefined'],
      ['a text', 'a text'],
      [Object.create(null), 'What was thrown has no text'],
      [Object.assign(new Error(), { message: 5 }), 'Error: 5'],
      [Object.defineProperty(new Error(), 'message', { get: unspeakable }), 'What was thrown has no text'],
      [new Error('half \ud800'), 'half \ufffd'],
      [new Error(`a${'🦊'.repeat(5_000)}`), `a${'🦊'.repeat(4_999)}\ufffd`],
    ]
    let next: unknown
    const run = () => {
      throw next
    }
    sdk.tool({ ...search, run })
    await sdk.ready()
    for (const [value, message] of thrown) {
      next = value
      const outcome = result()
      w.hub.askTool(contract_id, { input: { q: 'x' } })
      expect(await outcome).to.deep.equal({ status: 'failed', error: { code: 'TOOL_FAILED', message } })
    }
  })

  it('[SDK-24] an input that only the schema of the tool can refuse, and an output that cannot be sent, fail the call', async () => {
    const { sdk } = await w.join()
    const input = z.object({ q: z.string().refine((q) => q !== 'bad', 'not that one') })
    sdk.tool({ name: 'search', description: '', input, run: () => 'x' })
    await sdk.ready()
    const refused = result()
    w.hub.askTool(contract_id, { input: { q: 'bad' } })
    expect(await refused).to.deep.equal({ status: 'failed', error: { code: 'TOOL_INPUT_INVALID', message: 'not that one' } })

    w.hub.next('agent.tool.result', { refuse: 'FRAME_TOO_LARGE' })
    const [tooLarge, failed] = [result(), result()]
    w.hub.askTool(contract_id, { input: { q: 'good' } })
    await tooLarge
    expect(await failed).to.have.nested.property('error.code', 'FRAME_TOO_LARGE')
  })

  it('[SDK-25] a call gives its stream and one outcome, through lost acknowledgements and connections', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    w.hub.next('tool.call', { cut: 'after' })
    const call = room.call<{ found: number }>('search', { q: 'x' })
    const { call_id } = await call.requested
    const reading = take(call, 2)
    w.hub.chunk(contract_id, call_id, 'one ')
    w.hub.chunk(contract_id, call_id, 'two ', { isHidden: true })
    w.hub.cut()
    const output = { found: 2 }
    const stream = { parts: 2, bytes: 8, sha256: '0'.repeat(64) }
    expect(await reading).to.deep.equal(['one ', 'two '])
    w.hub.record(contract_id, { type: 'call.succeeded', data: { call_id, tool: 'search', output, stream } }, { isHidden: true })
    w.hub.cut()
    expect(await call.result()).to.deep.equal(output)
    expect(await take(call, 9)).to.deep.equal(['one ', 'two '])
    expect(new Set(w.hub.payloads('tool.call').map(({ key }) => key)).size).to.equal(1)
  })

  for (const outcome of ['failed', 'canceled', 'timed_out', 'abandoned'] as const) {
    it(`[SDK-25] a call that is ${outcome} rejects with a CallError`, async () => {
      const { sdk } = await w.join()
      const room = await sdk.room(contract_id)
      const call = room.call('search', { q: 'x' })
      const { call_id } = await call.requested
      const error = { code: 'SOME_CODE', message: 'Some words.' }
      const seq = w.hub.record(contract_id, { type: `call.${outcome}`, data: { call_id, tool: 'search', error } })
      const rejected = await call.result().catch((thrown: unknown) => thrown)
      expect(rejected).to.include({ name: 'CallError', outcome, code: 'SOME_CODE', message: 'Some words.', call_id, seq })
      expect(await take(call, 1)).to.deep.equal([])
    })
  }

  it('[SDK-25] chunks that were missed before the end are fetched', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const call = room.call('search', { q: 'x' })
    const { call_id } = await call.requested
    w.hub.chunk(contract_id, call_id, 'one ')
    for (const chunk of ['two ', 'three']) w.hub.chunk(contract_id, call_id, chunk, { isHidden: true })
    const stream = { parts: 3, bytes: 13, sha256: '0'.repeat(64) }
    w.hub.record(contract_id, { type: 'call.succeeded', data: { call_id, tool: 'search', output: 1, stream } })
    expect((await take(call, 9)).join('')).to.equal('one two three')
  })

  it('[SDK-25] chunks that are gone for good are told by the stream, not by the result', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const call = room.call('search', { q: 'x' })
    const { call_id } = await call.requested
    const stream = { parts: 2, bytes: 8, sha256: '0'.repeat(64) }
    w.hub.record(contract_id, { type: 'call.succeeded', data: { call_id, tool: 'search', output: 1, stream } })
    expect(await call.result()).to.equal(1)
    const missing = await take(call, 1).catch((thrown: unknown) => thrown)
    expect(missing).to.include({ code: 'STREAM_INCOMPLETE' })
  })

  it('[SDK-25] a signal cancels the call; leaving the room ends the waiting', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const stopping = new AbortController()
    const call = room.call('search', { q: 'x' }, { signal: stopping.signal, timeout_ms: 9_000 })
    const { call_id } = await call.requested
    expect(w.hub.payloads('tool.call')[0]).to.include({ timeout_ms: 9_000 })
    const cancel = w.hub.arrival('tool.cancel')
    stopping.abort()
    expect(await cancel).to.deep.include({ contract_id, call_id })
    await untilRoom(room, () => room.view.calls.length || undefined)
    await room.leave()
    expect(await call.result().catch((thrown: unknown) => thrown)).to.include({ code: 'ROOM_LEFT' })
  })
})
