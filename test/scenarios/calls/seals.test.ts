import { createHash, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { startHub } from '../../harness/hub.ts'
import { type Client, connectAgent, connectAs } from '../../harness/people.ts'
import { advanceUntil, codeOf, makeHome, openDatabaseOf, readLog, type Stage, setStage, shout, until } from '../stage.ts'

const sealOf = (chunks: readonly string[]) => {
  const text = chunks.join('')
  return { parts: chunks.length, bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') }
}

/** What an outcome says of a stream is what was acknowledged of it. */
describe('calls: seals', () => {
  let stage: Stage

  before(async () => {
    stage = await setStage()
  })

  beforeEach(() => stage.clock.advance(5_000))
  afterEach(() => stage.mustBeSound())
  after(() => stage.close())

  const endOf = async (call_id: string) =>
    (await readLog(stage.hub, stage.contract_id)).filter(({ data }) => data['call_id'] === call_id).at(-1)

  it('[CALL-23] a result that is refused lets the stream go on, and what came meanwhile is in the seal', async () => {
    const { agent } = stage
    const call_id = await stage.call(randomUUID())
    const one = agent.ask('agent.tool.stream', { call_id, seq: 1, chunk: 'one ' })
    // A failed result says why, or the call stays open.
    const refused = agent.ask('agent.tool.result', { call_id, status: 'failed' })
    const two = agent.ask('agent.tool.stream', { call_id, seq: 2, chunk: 'two' })
    expect([codeOf(await one), codeOf(await refused), codeOf(await two)]).to.deep.equal(['ok', 'FRAME_INVALID', 'ok'])
    const done = agent.ask('agent.tool.result', { call_id, status: 'succeeded' })
    const late = agent.ask('agent.tool.stream', { call_id, seq: 3, chunk: 'late' })
    expect(codeOf(await done)).to.equal('ok')
    // Which of the two the hub looks at first is open, but not what it says of it.
    const answered = codeOf(await late)
    expect(answered).to.be.oneOf(['ok', 'CALL_NOT_OPEN'])
    expect((await endOf(call_id))?.data['stream']).to.deep.equal(sealOf(['one ', 'two', ...(answered === 'ok' ? ['late'] : [])]))
  })

  it('[CALL-24] of chunks that race with an outcome of the hub each acknowledged one is in the seal, on whichever node', async function () {
    this.timeout(120_000)
    const [home, clock] = [await makeHome(), createManualClock()]
    const limits = { frames_per_s: 100_000, frames_burst: 100_000, principal_frames_per_s: 100_000 }
    const first = await setStage({ like: home, clock, limits })
    const other = await startHub({ like: home, clock, limits })
    // Both sweep the timers, so that the outcome is written beside the agent's node as often as on it.
    const operator = { auth: { token: first.hub.operator_token } }
    const human = await connectAs(first.hub, operator)
    const agents = [first.agent, await connectAgent(other, first.provider, [shout])]
    for (let round = 0; round < 24; round++) {
      const agent = agents[round % 2] as Client
      const frame = { contract_id: first.contract_id, key: `round ${round}`, tool: 'shout', input: { text: 'x' }, timeout_ms: 1_000 }
      const { call_id } = await human.must('tool.call', frame)
      await agent.must('agent.tool.stream', { call_id, seq: 1, chunk: '1;' })
      let acked = 1
      let isOver = false
      const streaming = (async () => {
        for (let seq = 2; !isOver; ) {
          const answer = await agent.ask('agent.tool.stream', { call_id, seq, chunk: `${seq};` })
          if (answer.ok) acked = seq++
          else isOver = answer.error.code === 'CALL_NOT_OPEN'
        }
      })()
      await until('it streams', () => acked > 3)
      if (round % 3 === 0) await human.must('tool.cancel', { contract_id: first.contract_id, call_id })
      clock.advance(round % 3 === 0 ? 2_000 : 1_000)
      await advanceUntil(clock, 'it is told', () => isOver, 50)
      await streaming
      const ended = (await readLog(first.hub, first.contract_id, round)).filter(({ data }) => data['call_id'] === call_id).at(-1)
      const { parts } = (ended?.data['stream'] ?? { parts: 0 }) as { parts: number }
      const chunks = Array.from({ length: parts }, (_, n) => `${n + 1};`)
      expect(chunks.length, `round ${round}: ${ended?.type}`).to.be.at.least(acked)
      expect(ended?.data['stream']).to.deep.equal(sealOf(chunks))
      const text = await fetch(`${other.url}/contracts/${first.contract_id}/calls/${call_id}/text`, {
        headers: { authorization: `Bearer ${other.operator_token}` },
      })
      expect(await text.text()).to.equal(chunks.join(''))
    }
    for (const client of [human, agents[1] as Client]) client.close()
    await first.mustBeSound()
    expect(other.troubles.filter(({ event }) => event !== 'hub.beside_another')).to.deep.equal([])
    await other.close()
    await first.close()
    await rm(home.data_dir, { recursive: true })
  })

  it('[CALL-25] a seal that a hub left when it died holds a stream up for a minute, not for ever', async () => {
    const { agent, clock, hub } = stage
    const call_id = await stage.call(randomUUID())
    await agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'one ' })
    const database = await openDatabaseOf(hub)
    const sealed = {
      _id: `${call_id}:000000002`,
      call_id,
      seq: 2,
      chunk: '',
      term: 0,
      holders: ['of the dead'],
      sealed_at: new Date(clock.now()),
    }
    await database.collection('stream_parts').insertOne(sealed as never)
    await database.close()
    const two = () => agent.ask('agent.tool.stream', { call_id, seq: 2, chunk: 'two' })
    const held = await two()
    expect(held).to.have.nested.property('error.code', 'UNAVAILABLE')
    expect(held).to.have.nested.property('error.facts.retry_after_ms', 1_000)
    clock.advance(60_000)
    expect(codeOf(await two())).to.equal('ok')
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    expect((await endOf(call_id))?.data['stream']).to.deep.equal(sealOf(['one ', 'two']))
  })

  it('[CALL-26] a node that only reads keeps no text of a call that ended on another', async () => {
    const home = await makeHome()
    const writer = await setStage({ like: home, clock: stage.clock })
    const reader = await startHub({ like: home, clock: stage.clock })
    const held = async () => {
      const text = await (await fetch(`${reader.url}/metrics`)).text()
      return ['streams', 'stream_bytes'].map((name) => Number(new RegExp(`^parley_${name} (\\d+)`, 'm').exec(text)?.[1]))
    }
    const human = await connectAs(reader, { auth: { token: reader.operator_token } })
    const call_id = await writer.call('streams')
    await writer.agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'x'.repeat(50_000) })
    await human.must('room.join', { contract_id: writer.contract_id })
    expect(await held()).to.deep.equal([1, 50_000])
    await writer.agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    stage.clock.advance(5_000)
    await human.event(writer.contract_id, 'call.succeeded')
    expect(await held()).to.deep.equal([0, 0])
    human.close()
    await reader.close()
    await writer.close()
    await rm(home.data_dir, { recursive: true })
  })
})
