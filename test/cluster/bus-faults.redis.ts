import { expect } from 'chai'
import { createHistory } from '../harness/history/history.ts'
import { type Client, connectAs, type Person } from '../harness/people.ts'
import { type RedisServer, startRedis } from '../harness/processes/redis.ts'
import { until } from '../scenarios/stage.ts'
import { mustAgree, type Nodes, postMany, sees, shout, startNodes, stepWhile, troublesOf, wholeLog } from './nodes.ts'

const HOUR_MS = 3_600_000

describe('a bus that fails', () => {
  let nodes: Nodes

  beforeEach(async () => {
    nodes = await startNodes()
  })

  afterEach(async () => {
    await nodes.close()
  })

  it('[NODE-7] what the bus lost is read from the log before anyone is told what came after it', async () => {
    const { contract_id, requester, staff } = nodes
    const [writer, reader] = [await nodes.join(staff, 0), await nodes.join(requester, 1)]
    await sees(reader, contract_id, (await writer.must('message.post', { contract_id, key: 'before', body: 'before' })).seq)
    await withoutBus(nodes, async () => {
      for (const at of [1, 2, 3]) await writer.must('message.post', { contract_id, key: `unheard-${at}`, body: 'unheard' })
    })
    const { seq } = await writer.must('message.post', { contract_id, key: 'heard', body: 'heard' })
    await sees(reader, contract_id, seq)
    const seqs = reader.events(contract_id).map((event) => event.seq)
    expect(seqs).to.deep.equal(Array.from({ length: 5 }, (_, at) => seq - 4 + at))
    expect(troublesOf(nodes).join()).to.include('another node was not told')
  })

  it('[NODE-8] without a word on the bus the comparison of heads tells it', async () => {
    const { contract_id, requester, staff } = nodes
    const [writer, reader] = [await nodes.join(staff, 0), await nodes.join(requester, 1)]
    await withoutBus(nodes, async () => {
      const { seq } = await writer.must('message.post', { contract_id, key: 'unheard', body: 'unheard' })
      await stepWhile(nodes, 'the comparison told it', sees(reader, contract_id, seq))
    })
  })

  it('[NODE-9] messages that come late and out of order are told once and in order', async () => {
    const { contract_id, requester, provider, staff, redis } = nodes
    const history = createHistory()
    const clients = {
      human: await nodes.join(requester, 0),
      agent: await nodes.join(provider, 1),
      operator: await nodes.join(staff, 1),
    }
    for (let round = 0; round < 4; round++) {
      redis.pause()
      await Promise.all([
        postMany(clients.human, { contract_id, by: requester.id, name: `human-${round}`, count: 30, history }),
        postMany(clients.agent, { contract_id, by: provider.id, name: `agent-${round}`, count: 30, history }),
      ])
      redis.resume()
    }
    await mustAgree(nodes, history, clients)
  })

  it('[NODE-10] while Redis hangs, frames are acknowledged and rooms can be joined', async () => {
    const { contract_id, requester, staff, redis } = nodes
    const writer = await nodes.join(staff, 0)
    redis.pause()
    try {
      const { seq } = await writer.must('message.post', { contract_id, key: 'hung', body: 'hung' })
      const late = await connectAs(nodes.hub(1), requester)
      const joined = await late.must('room.join', { contract_id })
      expect(joined.head).to.equal(seq)
      await late.next('live')
      late.close()
    } finally {
      redis.resume()
    }
  })

  it('[NODE-11] Redis killed under load and started again: nothing acknowledged is lost, and all clients come to the same', async () => {
    const { contract_id, requester, provider, staff, redis } = nodes
    const history = createHistory()
    const clients = {
      human: await nodes.join(requester, 0),
      agent: await nodes.join(provider, 1),
      operator: await nodes.join(staff, 1),
    }
    const load = (round: string) =>
      Promise.all([
        postMany(clients.human, { contract_id, by: requester.id, name: `human-${round}`, count: 60, history }),
        postMany(clients.agent, { contract_id, by: provider.id, name: `agent-${round}`, count: 60, history }),
      ])
    const first = load('killed')
    await clients.operator.event(contract_id, 'message.posted')
    await redis.kill()
    await first
    await load('away')
    const back = load('back')
    await redis.start()
    await back
    const head = (await wholeLog(nodes.hub(0), contract_id)).length
    await stepWhile(nodes, 'the comparison told it', Promise.all(Object.values(clients).map((client) => sees(client, contract_id, head))))
    await mustAgree(nodes, history, clients)
    for (const hub of nodes.hubs) expect((await hub.get('/health')).status).to.equal(200)
  })

  it('[NODE-12] back from an outage, the nodes compare at once and hear each other again', async () => {
    const { contract_id, requester, staff, redis } = nodes
    const [writer, reader] = [await nodes.join(staff, 0), await nodes.join(requester, 1)]
    await redis.kill()
    const { seq } = await writer.must('message.post', { contract_id, key: 'unheard', body: 'unheard' })
    await redis.start()
    // No clock moves: it is the return of Redis itself that makes them look.
    await sees(reader, contract_id, seq)
    await heardAgain(nodes)
    const next = await writer.must('message.post', { contract_id, key: 'heard', body: 'heard' })
    await sees(reader, contract_id, next.seq)
    expect(reader.events(contract_id).map((event) => event.seq)).to.deep.equal([seq, next.seq])
  })
})

describe('a cancel that the bus lost', () => {
  let nodes: Nodes
  let human: Client
  let agent: Client

  beforeEach(async () => {
    // No timer of a node may end a call by itself: whichever node fires it tells its own sessions.
    nodes = await startNodes({ limits: { cancel_deadline_ms: HOUR_MS } })
    human = await nodes.join(nodes.requester, 0)
    agent = await connectAs(nodes.hub(1), nodes.provider as Person)
    agent.socket.on('core.tool.call', (_call: unknown, ack: () => void) => ack())
    await agent.must('agent.hello', { protocol: 1, agent: { name: 'scribe', version: '1.0.0' } })
    await agent.must('agent.tools.register', { tools: [{ ...shout, input_schema: { ...shout.input_schema } }] as never })
  })

  afterEach(async () => {
    agent.close()
    await nodes.close()
  })

  async function running(key: string): Promise<string> {
    const frame = { contract_id: nodes.contract_id, key, tool: 'shout', input: { text: 'hello' }, timeout_ms: 600_000 }
    const { call_id } = await human.must('tool.call', frame)
    await human.event(
      nodes.contract_id,
      'call.started',
      (event) => 'data' in event && 'call_id' in event.data && event.data.call_id === call_id,
    )
    return call_id
  }

  const toldOf = (call_id: string) =>
    agent.told.flatMap(({ type, payload }) =>
      type === 'core.tool.cancel' && (payload as { call_id: string }).call_id === call_id ? [payload] : [],
    )

  /** Longer than two comparisons of heads; each heartbeat lets the node of the agent come to an end with what it does. */
  async function passSweeps(): Promise<void> {
    for (let passed = 0; passed < 15; passed++) await beat()
  }

  async function beat(): Promise<void> {
    nodes.clock.advance(1_000)
    await agent.must('agent.heartbeat', {})
  }

  async function untilTold(call_id: string): Promise<void> {
    for (let beats = 0; toldOf(call_id).length === 0; beats++) {
      if (beats >= 300) throw new Error('the agent was never told')
      await beat()
    }
  }

  it('[NODE-36] is told by the comparison of heads, once, while the call is open', async () => {
    const [kept, call_id] = [await running('kept'), await running('canceled')]
    await withoutBus(nodes, async () => {
      await human.must('tool.cancel', { contract_id: nodes.contract_id, call_id, reason: 'enough' })
      await untilTold(call_id)
      await passSweeps()
    })
    expect(toldOf(call_id)).to.deep.equal([{ call_id, reason: 'enough' }])
    expect(toldOf(kept)).to.deep.equal([])
    await agent.must('agent.tool.result', { call_id, status: 'canceled' })
  })

  it('[NODE-37] is told with what ended the call, where the hub ended it; what the agent ended itself is not', async () => {
    const [done, call_id] = [await running('done'), await running('ended')]
    await withoutBus(nodes, async () => {
      await agent.must('agent.tool.result', { call_id: done, status: 'succeeded', output: 1 })
      await human.must('contract.end', { contract_id: nodes.contract_id, key: 'end', outcome: 'completed' })
      await untilTold(call_id)
      await passSweeps()
    })
    expect(toldOf(call_id)).to.deep.equal([{ call_id, reason: 'call.canceled' }])
    expect(toldOf(done)).to.deep.equal([])
  })
})

describe('a Redis that is away at the start', () => {
  let redis: RedisServer
  let nodes: Nodes

  before(async () => {
    redis = await startRedis({ isUp: false })
    nodes = await startNodes({ redis: Promise.resolve(redis) })
  })

  after(async () => {
    await nodes.close()
  })

  it('[NODE-13] the hubs start and serve without it, and are one hub as soon as it is there', async () => {
    const { contract_id, requester, staff } = nodes
    const [writer, reader] = [await nodes.join(staff, 0), await nodes.join(requester, 1)]
    const { seq } = await writer.must('message.post', { contract_id, key: 'alone', body: 'alone' })
    await stepWhile(nodes, 'the comparison told it', sees(reader, contract_id, seq))
    await redis.start()
    await heardAgain(nodes)
    const next = await writer.must('message.post', { contract_id, key: 'together', body: 'together' })
    await sees(reader, contract_id, next.seq)
  })
})

/** Both nodes publish again, and listen to the room again. */
async function heardAgain({ redis, contract_id }: Nodes): Promise<void> {
  const channel = `socket.io#/rooms#contract:${contract_id}:ephemeral#`
  await until('both nodes listen', async () => (await redis.ask('PUBSUB', 'SHARDNUMSUB', channel)).includes(':2\r\n'))
  await until('both nodes publish', async () => {
    const clients = await redis.ask('CLIENT', 'LIST', 'TYPE', 'normal')
    return clients.split('\n').filter((line) => line.startsWith('id=') || line.includes(' cmd=')).length >= 3
  })
}

/** What is told meanwhile goes nowhere, and nobody notices: Redis does not let the nodes publish. */
async function withoutBus({ redis }: Nodes, run: () => Promise<void>): Promise<void> {
  await redis.ask('ACL', 'SETUSER', 'default', '-spublish')
  try {
    await run()
  } finally {
    await redis.ask('ACL', 'SETUSER', 'default', '+spublish')
  }
}
