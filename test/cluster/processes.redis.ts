import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { WireEvent } from '../../shared/protocol/index.ts'
import { createManualClock } from '../harness/clock.ts'
import { createHistory } from '../harness/history/history.ts'
import { startHub } from '../harness/hub.ts'
import { type Client, connectAs, openContract } from '../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'
import { mustAgree, type Nodes, sees, shout, startNodeProcess, startNodes, stepWhile, wholeLog } from './nodes.ts'

describe('nodes that are killed and restarted', () => {
  let nodes: Nodes
  const processes: HubProcess[] = []

  beforeEach(async () => {
    nodes = await startNodes({ nodes: 1 })
  })

  afterEach(async () => {
    for (const one of processes.splice(0)) await one.kill()
    await nodes.close()
  })

  async function startProcess(): Promise<HubProcess> {
    const one = await startNodeProcess(nodes, await freePort())
    processes.push(one)
    return one
  }

  /** Says that it has each call that it is sent, which starts it, unless it is silent. */
  async function agentOn(hub: Pick<HubProcess, 'url'>, { isSilent = false } = {}): Promise<Client> {
    const agent = await connectAs(hub, nodes.provider)
    if (!isSilent) agent.socket.on('core.tool.call', (_call: unknown, ack: () => void) => ack())
    await agent.must('agent.hello', { protocol: 1, agent: { name: 'scribe', version: '1.0.0' } })
    await agent.must('agent.tools.register', { tools: [{ ...shout, input_schema: { ...shout.input_schema } }] as never })
    return agent
  }

  it("[NODE-30] when an agent's node is killed, what it had not started goes to its other session, and what it had is abandoned", async () => {
    const { contract_id, requester } = nodes
    const human = await nodes.join(requester, 0)
    const ask = async (key: string) =>
      (await human.must('tool.call', { contract_id, key, tool: 'shout', input: { text: 'hello' } })).call_id
    const older = await agentOn(nodes.hub(0))
    const dying = await startProcess()
    const newer = await agentOn(dying, { isSilent: true })
    const started = await ask('started')
    await newer.next('core.tool.call', (call) => call.call_id === started)
    await newer.must('agent.tool.stream', { call_id: started, seq: 1, chunk: 'half' })
    await human.event(contract_id, 'call.started')
    const waiting = await ask('waiting')
    await newer.next('core.tool.call', (call) => call.call_id === waiting)
    await dying.kill()
    const sent = older.next('core.tool.call', (call) => call.call_id === waiting)
    await stepWhile(nodes, 'the other session has it', sent)
    await older.must('agent.tool.result', { call_id: waiting, status: 'succeeded', output: 'taken over' })
    const endOf = (call_id: string) => (event: WireEvent) => 'data' in event && 'call_id' in event.data && event.data.call_id === call_id
    await human.event(contract_id, 'call.succeeded', endOf(waiting))
    const abandoned = await stepWhile(nodes, 'the started one is abandoned', human.event(contract_id, 'call.abandoned', endOf(started)))
    expect(abandoned.data['stream']).to.include({ parts: 1, bytes: 4 })
    older.close()
    newer.close()
  })

  it('[NODE-31] two nodes restarted one after the other under load lose nothing and repeat nothing', async () => {
    const { contract_id, requester, provider, staff } = nodes
    const history = createHistory()
    const observer = await nodes.join(staff, 0)
    const pair = [await startProcess(), await startProcess()]
    let isOver = false
    const writers = [
      { name: 'human', by: requester, home: 0 },
      { name: 'agent', by: provider, home: 1 },
    ].map(async ({ name, by, home }) => {
      let client: Client | undefined
      for (let at = 0; !isOver || at < 50; at++) {
        const frame = { key: `${name}-${at}`, body: `${name} says ${at}` }
        history.sent(contract_id, by.id, frame)
        for (let tries = 0; ; tries++) {
          try {
            // The one at home, or the other one while that is away: as a proxy does it.
            client ??= await connectAs(pair[(home + tries) % 2] ?? nodes.hub(0), by)
            const ack = await Promise.race([client.ask('message.post', { contract_id, ...frame }), gone(client)])
            if (!ack.ok) throw new Error(ack.error.code)
            history.acked(contract_id, by.id, { key: frame.key, seq: ack.seq, chain: ack.chain })
            break
          } catch (error) {
            client?.close()
            client = undefined
            if (tries > 500) throw error
            await new Promise(setImmediate)
          }
        }
      }
      client?.close()
    })
    for (const at of [0, 1]) {
      const old = pair[at]
      await observer.next('events')
      const code = await old?.stop()
      expect(code).to.equal(0)
      pair[at] = await startProcess()
    }
    isOver = true
    await Promise.all(writers)
    await mustAgree(nodes, history, { observer })
  })
})

describe('hubs without Redis', () => {
  it('[NODE-32] two of them on one database come to the same by comparing heads', async () => {
    const clock = createManualClock()
    const first = await startHub({ clock })
    const second = await startHub({ clock, like: first })
    try {
      const { contract_id, requester, provider } = await openContract(first)
      const [here, there] = [await connectAs(first, requester), await connectAs(second, provider)]
      for (const client of [here, there]) {
        await client.must('room.join', { contract_id })
        await client.next('live')
      }
      for (let round = 0; round < 5; round++) {
        const mine = await here.must('message.post', { contract_id, key: `here-${round}`, body: 'here' })
        const other = await there.must('message.post', { contract_id, key: `there-${round}`, body: 'there' })
        expect(other.seq).to.equal(mine.seq + 1)
      }
      await stepWhile({ clock, hubs: [first, second] }, 'the first one was told', sees(here, contract_id, 11))
      await sees(there, contract_id, 11)
      for (const client of [here, there]) {
        expect(client.events(contract_id).map(({ seq }) => seq)).to.deep.equal(Array.from({ length: 10 }, (_, at) => at + 2))
        client.close()
      }
      expect((await wholeLog(second, contract_id)).length).to.equal(11)
      // The second says that it shares the data directory without Redis; nothing else is amiss.
      expect([first.troubles, second.troubles.map(({ event }) => event)]).to.deep.equal([[], ['hub.beside_another']])
    } finally {
      await second.close()
      await first.close()
    }
  })

  it('[NODE-33] without REDIS_URL no module of Redis is loaded', async () => {
    const data_dir = await mkdtemp(join(tmpdir(), 'parley-no-redis-'))
    const trace = join(data_dir, 'loaded')
    const hook = `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs';
registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(trace)}, url + '\\n'); return next(url, context) } })`
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` }
    const hub = await startHubProcess({ data_dir, port: await freePort(), env })
    try {
      const loaded = (await readFile(trace, 'utf8')).split('\n')
      expect(loaded.some((url) => url.endsWith('/server/compose/compose-hub.ts'))).to.equal(true)
      const ofRedis = /\/(@?redis(-adapter)?|cluster\.ts|subscriptions\.ts|presence-redis\.ts)(\/|$)/
      expect(loaded.filter((url) => ofRedis.test(url))).to.deep.equal([])
    } finally {
      await hub.stop()
      await rm(data_dir, { recursive: true, force: true })
    }
  })
})

/** Rejects when the connection is gone, so that nobody waits for an answer that cannot come. */
function gone(client: Client): Promise<never> {
  return new Promise((_, reject) => {
    if (client.socket.disconnected) reject(new Error('gone'))
    client.socket.once('disconnect', () => reject(new Error('gone')))
  })
}
