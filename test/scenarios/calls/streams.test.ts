import { createHash, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import type { Push } from '../../../shared/protocol/index.ts'
import { startHub } from '../../harness/hub.ts'
import { type Client, connectAgent, connectAs, openContract, signUp } from '../../harness/people.ts'
import { codeOf, makeHome, mustBeSound, readLog, type Stage, setStage } from '../stage.ts'

const sealOf = (chunks: readonly string[]) => {
  const text = chunks.join('')
  return { parts: chunks.length, bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') }
}

/** What a running call says piece by piece. */
describe('calls: streams', () => {
  let stage: Stage

  before(async () => {
    const unhindered = { frames_per_s: 100_000, frames_burst: 100_000, principal_frames_per_s: 100_000, room_frames_per_s: 100_000 }
    stage = await setStage({ limits: { ...unhindered, bytes_per_s: 100_000_000, stream_bytes: 200_000, stream_parts: 10_000 } })
  })

  beforeEach(() => stage.clock.advance(5_000))
  afterEach(() => stage.mustBeSound())
  after(() => stage.close())

  const stream = (call_id: string, chunks: readonly string[], from = 1) =>
    Promise.all(chunks.map((chunk, n) => stage.agent.ask('agent.tool.stream', { call_id, seq: from + n, chunk })))
  const chunksTo = (client: Client, call_id: string) =>
    client.told
      .filter(({ type }) => type === 'chunk')
      .map(({ payload }) => payload as Push<'chunk'>)
      .filter((chunk) => chunk.call_id === call_id)
  const endOf = async (call_id: string) =>
    (await readLog(stage.hub, stage.contract_id)).filter(({ data }) => data['call_id'] === call_id).at(-1)

  async function textOf(call_id: string, bearer: string, { contract_id } = stage) {
    const response = await fetch(`${stage.hub.url}/contracts/${contract_id}/calls/${call_id}/text`, {
      headers: { authorization: `Bearer ${bearer}` },
    })
    return { status: response.status, text: await response.text(), sha256: response.headers.get('x-content-sha256') }
  }

  it('[CALL-12] chunks and the result sent without waiting take effect in their order', async () => {
    const { agent, human } = stage
    const call_id = await stage.call(randomUUID())
    const chunks = Array.from({ length: 300 }, (_, n) => `${n}é `)
    const answers = stream(call_id, chunks)
    const result = agent.must('agent.tool.result', { call_id, status: 'succeeded', output: 'done' })
    expect(new Set((await answers).map(codeOf))).to.deep.equal(new Set(['ok']))
    await result
    await human.event(
      stage.contract_id,
      'call.succeeded',
      (event) => 'data' in event && (event.data as { call_id: string }).call_id === call_id,
    )
    expect(chunksTo(human, call_id).map(({ seq, chunk }) => [seq, chunk])).to.deep.equal(chunks.map((chunk, n) => [n + 1, chunk]))
    expect((await endOf(call_id))?.data['stream']).to.deep.equal(sealOf(chunks))
  })

  it('[CALL-13] 10,000 chunks arrive once each and are sealed as they are', async () => {
    const { agent, human, hub } = stage
    const call_id = await stage.call(randomUUID())
    const chunks = Array.from({ length: 10_000 }, (_, n) => `${n}\n`)
    for (let from = 0; from < chunks.length; from += 200) {
      const answers = await stream(call_id, chunks.slice(from, from + 200), from + 1)
      expect(answers.filter(({ ok }) => !ok)).to.deep.equal([])
      await human.next('chunk', (chunk) => chunk.call_id === call_id && chunk.seq === from + 200)
    }
    expect(chunksTo(human, call_id).map(({ seq }) => seq)).to.deep.equal(chunks.map((_, n) => n + 1))
    const late = await connectAs(hub, { auth: { token: hub.operator_token } })
    const { view } = await late.must('room.join', { contract_id: stage.contract_id })
    const shown = view.calls.find((call) => call.call_id === call_id)
    expect(shown?.next_seq).to.equal(10_001)
    expect(shown?.text === chunks.join('')).to.equal(true)
    late.close()
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect((await endOf(call_id))?.data['stream']).to.deep.equal(sealOf(chunks))
    expect((await textOf(call_id, hub.operator_token)).text === chunks.join('')).to.equal(true)
  })

  it('[CALL-14] a stream stops at its limit, and the call can still end', async () => {
    const { agent } = stage
    const call_id = await stage.call(randomUUID())
    const half = 'é'.repeat(50_000)
    expect((await stream(call_id, [half, half])).map(codeOf)).to.deep.equal(['ok', 'ok'])
    const over = await agent.ask('agent.tool.stream', { call_id, seq: 3, chunk: 'x' })
    expect(over).to.have.nested.property('error.code', 'STREAM_TOO_LARGE')
    expect(over).to.have.nested.property('error.facts.stream_bytes', 200_000)
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect((await endOf(call_id))?.data['stream']).to.deep.equal(sealOf([half, half]))
  })

  it('[CALL-14] it stops at its number of chunks too, empty ones among them', async () => {
    const { agent } = stage
    const call_id = await stage.call(randomUUID())
    for (let from = 1; from <= 10_000; from += 500) {
      const answers = await stream(call_id, Array<string>(500).fill(''), from)
      expect(answers.filter(({ ok }) => !ok)).to.deep.equal([])
    }
    const over = await agent.ask('agent.tool.stream', { call_id, seq: 10_001, chunk: '' })
    expect(over).to.have.nested.property('error.code', 'STREAM_TOO_LARGE')
    expect(over).to.have.nested.property('error.facts.stream_parts', 10_000)
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect((await endOf(call_id))?.data['stream']).to.include({ parts: 10_000, bytes: 0 })
  })

  it('[CALL-15] the text of a call is read by those in the room, running or ended, and by no one else', async () => {
    const { agent, hub, requester, provider } = stage
    const call_id = await stage.call(randomUUID())
    expect(await textOf(call_id, requester.bearer)).to.include({ status: 200, text: '' })
    await stream(call_id, ['one ', 'two'])
    expect(await textOf(call_id, requester.bearer)).to.include({ status: 200, text: 'one two' })
    await agent.must('agent.tool.result', { call_id, status: 'failed', error: { code: 'X', message: 'x' } })
    for (const bearer of [requester.bearer, provider.bearer, hub.operator_token]) {
      expect(await textOf(call_id, bearer)).to.deep.equal({ status: 200, text: 'one two', sha256: sealOf(['one ', 'two']).sha256 })
    }
    const stranger = await signUp(hub)
    expect((await textOf(call_id, stranger.bearer)).status).to.equal(404)
    const own = await openContract(hub, { requester: stranger })
    expect((await textOf(call_id, stranger.bearer, own as never)).status, 'through a contract of one’s own').to.equal(404)
    expect((await textOf(randomUUID(), requester.bearer)).status).to.equal(404)
    const silent = await stage.call(randomUUID())
    await agent.must('agent.tool.result', { call_id: silent, status: 'succeeded' })
    expect((await textOf(silent, requester.bearer)).status).to.equal(404)
  })

  it('[CALL-16] a late joiner gets the text so far, and each later chunk once', async () => {
    const { agent, hub, contract_id } = stage
    const call_id = await stage.call(randomUUID())
    await stream(call_id, ['a', 'b'])
    const { seq } = (await readLog(hub, contract_id)).find(({ data }) => data['call_id'] === call_id) ?? { seq: 0 }
    for (const from of [{}, { since: seq - 1 }, { since: seq }, { since: 0 }]) {
      const late = await connectAs(hub, { auth: { token: hub.operator_token } })
      const { view } = await late.must('room.join', { contract_id, ...from })
      await late.next('live')
      const shown = view.calls.find((call) => call.call_id === call_id)
      let text = shown?.text ?? ''
      let next_seq = shown?.next_seq ?? 1
      for (const chunk of chunksTo(late, call_id)) {
        if (chunk.seq !== next_seq) continue
        text += chunk.chunk
        next_seq++
      }
      expect({ text, next_seq }, JSON.stringify(from)).to.deep.equal({ text: 'ab', next_seq: 3 })
      late.close()
    }
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
  })

  it('[CALL-16] the chunks of a call that stands in the view are not sent again; those of one asked for behind it are', async () => {
    const { agent, hub, contract_id } = stage
    const call_id = await stage.call(randomUUID())
    await stream(call_id, ['a', 'b'])
    const { seq } = (await readLog(hub, contract_id)).find(({ data }) => data['call_id'] === call_id) ?? { seq: 0 }
    for (const { from, chunks } of [
      { from: {}, chunks: [] },
      { from: { since: seq }, chunks: [] },
      { from: { since: seq - 1 }, chunks: [1, 2] },
    ]) {
      const late = await connectAs(hub, { auth: { token: hub.operator_token } })
      await late.must('room.join', { contract_id, ...from })
      await late.next('live')
      expect(
        chunksTo(late, call_id).map((chunk) => chunk.seq),
        JSON.stringify(from),
      ).to.deep.equal(chunks)
      late.close()
    }
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
  })

  it('[CALL-17] a hub that restarts in the middle of a stream goes on from the next chunk, and seals all of it', async () => {
    const home = await makeHome()
    const old = await setStage({ like: home, clock: stage.clock })
    const call_id = await old.call('stream')
    for (const [n, chunk] of ['one ', 'two ', 'thr'].entries()) await old.agent.must('agent.tool.stream', { call_id, seq: n + 1, chunk })
    await old.close()

    const hub = await startHub({ like: home, clock: stage.clock })
    const agent = await connectAgent(hub, old.provider)
    await agent.must('agent.hello', { protocol: 1, agent: { name: 'scribe', version: '1' }, resume: old.agent.session_id })
    await agent.next('core.tool.call', (call) => call.call_id === call_id)
    const ahead = await agent.ask('agent.tool.stream', { call_id, seq: 5, chunk: 'lost' })
    expect(ahead).to.have.nested.property('error.facts.next_seq', 4)
    await agent.must('agent.tool.stream', { call_id, seq: 3, chunk: 'thr' })
    await agent.must('agent.tool.stream', { call_id, seq: 4, chunk: 'ee' })
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    const ended = (await readLog(hub, old.contract_id)).at(-1)
    expect(ended?.data['stream']).to.deep.equal(sealOf(['one ', 'two ', 'thr', 'ee']))
    await mustBeSound(hub, old.contract_id)
    agent.close()
    await hub.close()
    await rm(home.data_dir, { recursive: true })
  })
})
