import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { Push, WireEvent } from '../../shared/protocol/index.ts'
import { createManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { type Client, connectAs, openContract, type Person, registerAgent } from '../harness/people.ts'
import { readVectors } from '../shared/read-vectors.ts'
import { type PythonAgent, runVectors, type Sight, startPythonAgent } from './python-agent.ts'
import { pythonEnvironment } from './python-environment.ts'

/** The packages of the environment come over the network the first time. */
const INSTALL_MS = 180_000
const vectorsFolder = fileURLToPath(new URL('../../shared/vectors', import.meta.url))
const TOOLS = ['shout', 'spell', 'hold', 'mute']

type Event = Exclude<WireEvent, { type: 'redacted' }> & { data: Record<string, unknown> }
const ofCall = (call_id: string) => (event: WireEvent) => 'data' in event && 'call_id' in event.data && event.data.call_id === call_id

describe('an agent in Python', () => {
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

  function start({ auth }: Pick<Person, 'auth'>, url = hub.url): PythonAgent {
    const agent = startPythonAgent(python, { url, auth })
    closers.push(() => agent.stop())
    return agent
  }

  describe('the seven cases', () => {
    let agent: PythonAgent
    let human: Client
    let contract_id: string
    let provider: Person

    before(async () => {
      const contract = await openContract(hub)
      contract_id = contract.contract_id
      provider = contract.provider
      agent = start(provider)
      await agent.ask('connect')
      await agent.sight('ready')
      human = await connectAs(hub, contract.requester)
      await human.must('room.join', { contract_id })
      await human.next('live')
    })
    after(async () => {
      human?.close()
      expect(await agent?.stop()).to.equal(0)
    })

    async function call(tool: string, text = 'hello') {
      const key = `${tool} ${text}`
      const { call_id } = await human.must('tool.call', { contract_id, key, tool, input: { text } })
      return call_id
    }

    it('[PY-1] its hello is answered by core.welcome', async () => {
      const welcome = (await agent.sight('core.welcome')).payload as Push<'core.welcome'>
      const { payload: ready } = await agent.sight('ready')
      expect(welcome).to.deep.include({ protocol: 1, ...(ready as object) })
      expect(welcome.principal).to.deep.equal({ kind: 'agent', id: provider.id, name: 'Scribe' })
      expect(welcome.contracts.map((contract) => contract.contract_id)).to.deep.equal([contract_id])
    })

    it('[PY-2] its tools are registered and shown in the room', async () => {
      expect((await agent.sight('core.tools.registered')).payload).to.deep.equal({ tools: TOOLS })
      const { view } = await human.must('room.join', { contract_id })
      expect(view.tools.map(({ name }) => name)).to.have.members(TOOLS)
    })

    it('[PY-3] a call reaches it, and its result the room, once', async () => {
      const call_id = await call('shout')
      const ended = await human.event(contract_id, 'call.succeeded', ofCall(call_id))
      expect(ended.data).to.deep.equal({ call_id, tool: 'shout', output: { text: 'HELLO' } })
      const result = await agent.sight('result', (sight) => sight['call_id'] === call_id)
      expect(result.payload).to.deep.equal({ ok: true, seq: ended.seq })
      const payload = { call_id, status: 'succeeded', output: { text: 'HELLO' } }
      const again = await agent.ask('send', { frame: 'agent.tool.result', payload })
      expect(again).to.deep.equal({ ok: true, seq: ended.seq, duplicate: true })
      const story = human.events(contract_id).filter(ofCall(call_id))
      expect(story.map(({ type }) => type)).to.deep.equal(['call.requested', 'call.started', 'call.succeeded'])
    })

    it('[PY-4] it never sees an invalid input', async () => {
      const { seq } = await human.must('tool.call', { contract_id, key: 'case-4', tool: 'shout', input: { text: 7 } })
      const failed = await human.event(contract_id, 'call.failed', (event) => event.seq === seq)
      expect(failed.data['error']).to.deep.equal({ code: 'TOOL_INPUT_INVALID', message: '/text must be string' })
      const fence = await call('shout', 'after the invalid one')
      await agent.sight('result', (sight) => sight['call_id'] === fence)
      const seen = agent.saw.filter(({ saw }) => saw === 'core.tool.call').map(({ payload }) => payload as Push<'core.tool.call'>)
      expect(seen.map((sent) => sent.call_id)).not.to.include(failed.data['call_id'])
    })

    it('[PY-5] it leaves a chunk out, is told where to go on, and the room has the text in order', async () => {
      const call_id = await call('spell', 'abc€')
      const ended = await human.event(contract_id, 'call.succeeded', ofCall(call_id))
      const refused = (await agent.sight('chunk.answer', ({ payload }) => !(payload as { ok: boolean }).ok)) as Sight
      expect(refused.payload).to.have.nested.property('error.code', 'CHUNK_OUT_OF_ORDER')
      expect(refused.payload).to.have.nested.property('error.facts.next_seq', 2)
      const chunks = human.told.filter(({ type }) => type === 'chunk').map(({ payload }) => payload as Push<'chunk'>)
      expect(chunks.filter((chunk) => chunk.call_id === call_id).map(({ seq, chunk }) => [seq, chunk])).to.deep.equal([
        [1, 'a'],
        [2, 'b'],
        [3, 'c'],
        [4, '€'],
      ])
      expect(ended.data['stream']).to.deep.include({ parts: 4, bytes: 6 })
    })

    it('[PY-6] it hears a cancel and ends the call; mute, the call ends at the deadline and its result is refused', async () => {
      const polite = await call('hold')
      await human.event(contract_id, 'call.started', ofCall(polite))
      await human.must('tool.cancel', { contract_id, call_id: polite, reason: 'enough' })
      const heard = await agent.sight('core.tool.cancel', ({ payload }) => (payload as Push<'core.tool.cancel'>).call_id === polite)
      expect(heard.payload).to.deep.equal({ call_id: polite, reason: 'enough' })
      const own = await human.event(contract_id, 'call.canceled', ofCall(polite))
      expect(own).to.deep.include({ by: { kind: 'agent', id: provider.id } })

      const mute = await call('mute')
      await human.event(contract_id, 'call.started', ofCall(mute))
      await human.must('tool.cancel', { contract_id, call_id: mute })
      await agent.sight('core.tool.cancel', ({ payload }) => (payload as Push<'core.tool.cancel'>).call_id === mute)
      clock.advance(2_000)
      const canceled = await human.event(contract_id, 'call.canceled', ofCall(mute))
      expect(canceled).to.deep.include({ by: { kind: 'system', id: 'system' } })
      const late = await agent.ask('send', { frame: 'agent.tool.result', payload: { call_id: mute, status: 'succeeded', output: 1 } })
      expect(late).to.have.nested.property('error.code', 'CALL_NOT_OPEN')
    })

    it('[PY-7] without its heartbeat it is unhealthy, with the next one it recovers', async () => {
      const beat = () => agent.ask<{ ok: boolean; heads: object }>('send', { frame: 'agent.heartbeat', payload: { health: 'fine' } })
      expect(Object.keys((await beat()).heads)).to.deep.equal([contract_id])
      clock.advance(45_000)
      const unhealthy = await human.event(contract_id, 'agent.unhealthy')
      await beat()
      expect((await human.event(contract_id, 'agent.recovered')).seq).to.equal(unhealthy.seq + 1)
    })
  })

  it('[PY-9] a reader who may not see a note holds its stub, and the chain over all holds', async () => {
    const { contract_id, requester, provider } = await openContract(hub)
    const staff = await connectAs(hub, { auth: { token: hub.operator_token } })
    const note = await staff.must('message.post', { contract_id, key: 'note', body: 'not for them', visibility: 'staff' })
    const shown = await staff.must('message.post', { contract_id, key: 'shown', body: 'for all' })
    const [reader, agent] = [start(requester), start(provider)]
    const types: string[][] = []
    for (const one of [reader, agent]) {
      await one.ask('connect')
      await one.sight('ready')
      await one.ask('join from the beginning', { contract_id, epoch: shown.epoch })
      await one.sight('event', ({ payload }) => (payload as Event).seq === shown.seq)
      const sights = one.saw.filter(({ saw }) => saw === 'event')
      expect(sights.filter(({ holds }) => holds !== true)).to.deep.equal([])
      types.push(sights.map(({ payload }) => (payload as Event).type))
      expect(await one.stop()).to.equal(0)
    }
    expect(note.seq).to.equal(2)
    expect(types).to.deep.equal([
      ['contract.opened', 'redacted', 'message.posted'],
      ['contract.opened', 'message.posted', 'message.posted'],
    ])
    staff.close()
  })

  it('[PY-10] a key that is none is refused with the code and the fix', async () => {
    const agent = start({ auth: { key: 'pk_agent_nobody' } })
    const fault = await agent.ask('connect').catch((error: Error) => error.message)
    expect(fault).to.match(/^connect: ConnectionError: /)
    const { payload } = await agent.sight('refused')
    expect(payload).to.have.nested.property('data.code', 'UNAUTHENTICATED')
    expect(payload).to.have.nested.property('data.fix')
    expect(await agent.stop()).to.equal(0)
  })

  describe('the shared vectors', () => {
    let lines: Awaited<ReturnType<typeof runVectors>>
    const got = (of: string) => lines.filter((line) => line.of === of).map(({ name, got }) => [name, got])

    before(async () => {
      lines = await runVectors(python, vectorsFolder)
    })

    it('[PY-11] canonical JSON is the same text, and has no text where it has none', () => {
      const { cases, refused, numbers } = readVectors<{
        cases: { name: string; canonical: string }[]
        refused: { name: string }[]
        numbers: { ieee754: string; canonical: string | null }[]
      }>('canonical-json')
      expect(got('canonical')).to.deep.equal([
        ...cases.map(({ name, canonical }) => [name, canonical]),
        ...refused.map(({ name }) => [name, null]),
      ])
      expect(got('number')).to.deep.equal(numbers.map(({ ieee754, canonical }) => [ieee754, canonical]))
    })

    it('[PY-12] digests and chains are the same, also over stubs', () => {
      const { contract_id, chain0, events } = readVectors<{
        contract_id: string
        chain0: string
        events: { event: { seq: number }; canonical: string; digest: string; chain: string }[]
      }>('chain')
      expect(got('chain0')).to.deep.equal([[contract_id, chain0]])
      expect(got('event')).to.deep.equal(
        events.map(({ event, canonical, digest, chain }) => [event.seq, { canonical, digest, chain, redacted: chain }]),
      )
    })

    it('[PY-13] each frame that is not valid is refused with its code, pointers and retry; the others get past that', async () => {
      const agent = start(await registerAgent(hub))
      await agent.ask('connect')
      await agent.sight('ready')
      const vectors =
        readVectors<{ name: string; frame: string; verdict: { ok: true } | { ok: false; code: string; pointers: string[] } }[]>('frames')
      const errors = readVectors<Record<string, { retry: string }>>('errors')
      const answers = await agent.ask<FrameAnswer[]>('frames', { path: `${vectorsFolder}/frames.json` })
      const wanted = vectors.map(({ name, frame, verdict }) => ({
        ...{ name, frame },
        verdict: verdict.ok ? 'valid' : { code: verdict.code, pointers: verdict.pointers, retry: errors[verdict.code]?.retry },
      }))
      const verdicts = vectors.map(({ name, frame }, index) => ({ name, frame, verdict: verdictOf(answers[index]) }))
      expect(verdicts).to.deep.equal(wanted)
      expect(await agent.stop()).to.equal(0)
    })
  })
})

type FrameAnswer = { ok: true } | { ok: false; error: { code: string; retry: string; errors?: { pointer: string }[] } }

/** What the hub's answer says of a frame's shape. Another refusal is about the room or the sender, so the shape was right. */
function verdictOf(answer: FrameAnswer | undefined): unknown {
  if (answer === undefined) return 'no answer'
  if (answer.ok || !['FRAME_INVALID', 'FRAME_UNKNOWN', 'PROTOCOL_UNSUPPORTED'].includes(answer.error.code)) return 'valid'
  const { code, errors = [], retry } = answer.error
  return { code, pointers: errors.map(({ pointer }) => pointer), retry }
}
