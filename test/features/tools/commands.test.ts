import { expect } from 'chai'
import type { Connection } from 'mongoose'
import { createManualClock } from '../../harness/clock.ts'
import { type CommandCounter, createCommandCounter } from '../../harness/command-counter.ts'
import { startHub, type TestHub, testDatabase } from '../../harness/hub.ts'
import { type Client, connectAgent, connectAs, openContract } from '../../harness/people.ts'
import { openDatabaseOf, until } from '../../scenarios/stage.ts'

const echo = { name: 'echo', description: 'Says it again', input_schema: { type: 'object' } }

/** What a call asks of the database: with a hand-moved clock, nothing else asks meanwhile. */
describe('what a call costs the database', () => {
  let counter: CommandCounter
  let origin: TestHub
  let hub: TestHub
  let agent: Client
  let caller: Client
  let contract_id: string
  let database: Connection

  beforeEach(async () => {
    counter = await createCommandCounter(await testDatabase())
    const clock = createManualClock()
    origin = await startHub({ clock })
    database = await openDatabaseOf(origin)
    hub = await startHub({ clock, like: { ...origin, mongodb_uri: counter.uri } })
    const opened = await openContract(hub)
    contract_id = opened.contract_id
    agent = await connectAgent(hub, opened.provider, [echo])
    agent.socket.on('core.tool.call', (_call: unknown, received: () => void) => received())
    caller = await connectAs(hub, opened.requester)
    await caller.must('room.join', { contract_id })
  })

  afterEach(async () => {
    for (const client of [agent, caller]) client.close()
    await database.close()
    await hub.close()
    await origin.close()
    await counter.close()
  })

  async function call(key: string): Promise<void> {
    const { call_id } = await caller.must('tool.call', { contract_id, key, tool: 'echo', input: {} })
    await agent.next('core.tool.call', (sent) => sent.call_id === call_id)
    await caller.event(contract_id, 'call.started', (event) => 'data' in event && 'call_id' in event.data && event.data.call_id === call_id)
    await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: { key } })
  }

  /** All that follows from the events so far is done, and crossed off. */
  async function settled(): Promise<void> {
    const pending = database.collection('events')
    await until('nothing is pending', async () => (await pending.countDocuments({ pending: { $exists: true } })) === 0)
  }

  it('[COST-1] a call is ten commands at most, from the frame to the last timer', async () => {
    await call('first')
    await settled()
    counter.taken()
    await call('second')
    await settled()
    const counts = Object.fromEntries([...Map.groupBy(counter.taken(), (one) => one)].map(([name, all]) => [name, all.length]))
    const { 'update events': crossed_off, ...others } = counts
    // What follows from its beginning and from its end is done: crossed off together, where the call was short. Nothing follows from its start.
    expect(crossed_off).to.be.within(1, 2)
    expect(others).to.deep.equal({
      // Asked for, started, ended.
      'insert events': 3,
      // Its deadline, and what happens should its session go: set together, and taken away together.
      ...{ 'update timers': 1, 'delete timers': 1 },
      // What another node may have changed: the agent's tools, its sessions, a stream of the call.
      ...{ 'find tool_sets': 1, 'find agent_sessions': 1, 'find stream_parts': 1 },
    })
  })
})
