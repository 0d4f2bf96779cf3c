import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import { connect, type ToolCall } from '../../../client/sdk/index.ts'
import { createCommandCounter } from '../../harness/command-counter.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, type Client, connectAgent, connectAs, openContract, type Person } from '../../harness/people.ts'
import { createNetwork } from '../../harness/processes/network.ts'
import { advanceUntil, codeOf, makeHome, openDatabaseOf, readLog, type Stage, setStage, shout } from '../stage.ts'

/** An agent that says which calls it works on is told which of them are over: on any hub, and after a restart. */
describe('calls: named by the agent', () => {
  let stage: Stage
  const others: { close(): unknown }[] = []

  beforeEach(async () => {
    stage = await setStage({ like: await makeHome() })
  })

  afterEach(async () => {
    await stage.mustBeSound()
    for (const other of others.splice(0)) await other.close()
    await stage.close()
    await rm(stage.hub.data_dir, { recursive: true, force: true })
  })

  const opened = <T extends { close(): unknown }>(one: T): T => {
    others.unshift(one)
    return one
  }
  const agent = { name: 'scribe', version: '1.0.0' }
  const typesOf = async (call_id: string, contract_id = stage.contract_id, hub = stage.hub) =>
    (await readLog(hub, contract_id)).filter(({ data }) => data['call_id'] === call_id).map(({ type }) => type)
  const beat = (client: Client, calls: string[]) => client.must('agent.heartbeat', { calls })
  /** What it was told by now of calls that are over. */
  const toldTo = (client: Client) => client.told.filter(({ type }) => type === 'core.tool.cancel').map(({ payload }) => payload)

  async function comeBack(hub: TestHub, { auth = stage.provider.auth, resume = stage.agent.session_id } = {}): Promise<Client> {
    const back = opened(await connectAs(hub, { auth }))
    await back.must('agent.hello', { protocol: 1, agent, resume })
    return back
  }

  async function started(key: string): Promise<string> {
    const call_id = await stage.call(key)
    await stage.agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'x' })
    return call_id
  }

  async function cancel(call_id: string): Promise<void> {
    await stage.human.must('tool.cancel', { contract_id: stage.contract_id, call_id })
    await advanceUntil(stage.clock, 'it is canceled', async () => (await typesOf(call_id)).includes('call.canceled'), 100)
  }

  it('[CALL-32] a session that comes back on another hub, or after a restart, and names its calls is told those that ended', async () => {
    const [ended, open] = [await started('one'), await started('two')]
    stage.agent.close()
    await cancel(ended)
    const other = opened(await startHub({ clock: stage.clock, like: stage.hub }))
    const there = await comeBack(other)
    await beat(there, [ended, open])
    expect(toldTo(there)).to.deep.equal([{ call_id: ended, reason: 'call.canceled' }])
    await there.must('agent.tool.result', { call_id: open, status: 'succeeded' })
  })

  it('[CALL-32] also after a restart of the one hub, of a call whose contract ended', async () => {
    const call_id = await started('one')
    stage.agent.close()
    await stage.human.must('contract.end', { contract_id: stage.contract_id, key: 'end', outcome: 'done' })
    await advanceUntil(stage.clock, 'it is canceled', async () => (await typesOf(call_id)).includes('call.canceled'), 100)
    stage.human.close()
    await stage.hub.close()
    const { provider, agent: gone } = stage
    stage = await setStage({ clock: stage.clock, like: stage.hub })
    const back = await comeBack(stage.hub, { auth: provider.auth, resume: gone.session_id })
    await beat(back, [call_id])
    expect(toldTo(back)).to.deep.equal([{ call_id, reason: 'call.canceled' }])
  })

  it('[CALL-32] a cancel whose word was lost is told with the next beat, and a call that goes on is not', async () => {
    const [canceled, done, open] = [await started('one'), await started('two'), await started('three')]
    await stage.agent.must('agent.tool.result', { call_id: done, status: 'succeeded' })
    await beat(stage.agent, [canceled, open])
    expect(toldTo(stage.agent)).to.deep.equal([])
    await stage.human.must('tool.cancel', { contract_id: stage.contract_id, call_id: canceled })
    await stage.agent.next('core.tool.cancel')
    stage.agent.told.length = 0
    await beat(stage.agent, [canceled, done, open, canceled])
    // The clock stands: nobody ended the one that is to be canceled.
    expect(toldTo(stage.agent)).to.deep.equal([{ call_id: canceled }, { call_id: done, reason: 'call.succeeded' }])
  })

  it('[SDK-42] the sdk aborts a call that ended while its connection was lost, though it comes back to another hub', async () => {
    const { contract_id, requester, provider } = await openContract(stage.hub)
    const other = opened(await startHub({ clock: stage.clock, like: stage.hub }))
    let home: Pick<TestHub, 'url'> = stage.hub
    const network = opened(await createNetwork({ targets: () => [{ host: '127.0.0.1', port: Number(new URL(home.url).port) }] }))
    const sdk = opened(await connect({ url: network.url, ...provider.auth }))
    const started = Promise.withResolvers<ToolCall>()
    sdk.tool({
      ...{ name: 'slow', description: '', input: {} },
      run: (_, call) => {
        started.resolve(call)
        return new Promise((_, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason)))
      },
    })
    await sdk.ready()
    const human = opened(await connectAs(stage.hub, requester))
    const { call_id } = await human.must('tool.call', { contract_id, key: 'slow', tool: 'slow', input: {} })
    const { signal } = await started.promise
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    network.cut()
    await human.must('tool.cancel', { contract_id, call_id })
    const isOver = async () => (await typesOf(call_id, contract_id)).includes('call.canceled')
    await advanceUntil(stage.clock, 'it is canceled', isOver, 100)
    expect(signal.aborted).to.equal(false)
    home = other
    network.mend()
    // The clock stands: no sweep of a hub tells it.
    await aborted
    expect(signal.reason).to.include({ message: 'call.canceled' })
  })

  it('[CALL-33] a call of somebody else is to an agent as one that never was, open or over', async () => {
    const foreign = await openContract(stage.hub)
    const stranger = opened(await connectAgent(stage.hub, foreign.provider, [shout]))
    const asker = opened(await connectAs(stage.hub, foreign.requester))
    const ask = async (key: string) =>
      (await asker.must('tool.call', { contract_id: foreign.contract_id, key, tool: 'shout', input: { text: 'x' } })).call_id
    const [open, over, none] = [await ask('one'), await ask('two'), randomUUID()]
    await stranger.next('core.tool.call', ({ call_id }) => call_id === over)
    await stranger.must('agent.tool.result', { call_id: over, status: 'succeeded' })
    await beat(stage.agent, [open, over, none])
    expect(toldTo(stage.agent)).to.deep.equal([open, over, none].map((call_id) => ({ call_id, reason: 'NOT_FOUND' })))
    expect(toldTo(stranger)).to.deep.equal([])
  })

  it('[CALL-33] a key without `tools` is told nothing, and 201 calls are too many', async () => {
    const call_id = await started('one')
    await stage.agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    const { body } = await api<{ api_key: string }>(stage.hub, 'POST', `/agents/${stage.provider.id}/keys`, {
      body: { name: 'reads', scopes: ['rooms:read'] },
      bearer: stage.provider.bearer,
    })
    const reader: Person = { ...stage.provider, auth: { key: body.api_key } }
    const deaf = opened(await connectAs(stage.hub, reader))
    await deaf.must('agent.hello', { protocol: 1, agent })
    await beat(deaf, [call_id])
    expect(toldTo(deaf)).to.deep.equal([])
    const many = Array.from({ length: 201 }, () => randomUUID())
    expect(codeOf(await stage.agent.ask('agent.heartbeat', { calls: many }))).to.equal('FRAME_INVALID')
    await beat(stage.agent, many.slice(1))
    expect(toldTo(stage.agent)).to.have.lengthOf(200)
  })

  it('[CALL-34] however many calls a beat names, they are looked up in one read that an index serves', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => started(`call ${n}`)))
    const counter = opened(await createCommandCounter(stage.hub.mongodb_uri))
    const counted = opened(await startHub({ clock: stage.clock, like: { ...stage.hub, mongodb_uri: counter.uri } }))
    const back = await comeBack(counted)
    await Promise.all(ids.map((id) => back.next('core.tool.call', ({ call_id }) => call_id === id)))
    /** The least of some beats: what the hub does beside them can only add to it. */
    const reads = async (calls: string[]) => {
      const counts: number[] = []
      for (let n = 0; n < 5; n++) {
        counter.taken()
        await beat(back, calls)
        counts.push(counter.taken().filter((command) => /^(find|getMore) events$/.test(command)).length)
      }
      return Math.min(...counts)
    }
    expect((await reads(ids)) - (await reads([]))).to.equal(1)

    const database = await openDatabaseOf(stage.hub)
    const events = database.collection<{ _id: string }>('events')
    const plan = JSON.stringify(await events.find({ call_id: { $in: ids } }).explain())
    await database.close()
    expect(plan).to.match(/IXSCAN|events_call/)
    expect(plan).not.to.contain('COLLSCAN')
  })
})
