import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect } from 'chai'
import { backlogOf } from '../../server/gateway/delivery/backlog.ts'
import { createSlowConsumers, defaultLadder } from '../../server/gateway/delivery/slow-consumers.ts'
import { createMeter } from '../../server/gateway/meter.ts'
import type { Session } from '../../server/pipeline/session.ts'
import { createManualClock, type ManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { type Client, connectAgent, connectAs, openContract, type Person, registerAgent } from '../harness/people.ts'

const LIMITS = { frames_burst: 2_000, bytes_per_s: 200_000_000, principal_bytes_per_s: 200_000_000 }
const TOOL = { name: 'read', description: 'Reads long texts', input_schema: true as const, timeout_ms: 3_600_000 }
const LONG = 'x'.repeat(240_000)
/** As many long inputs as one room may have open. */
const FIT = 8

describe('slow lines and long inputs', () => {
  let clock: ManualClock
  let hub: TestHub
  let requester: Person
  let provider: Person
  let human: Client

  before(async () => {
    clock = createManualClock()
    hub = await startHub({ clock, limits: LIMITS })
    provider = await registerAgent(hub)
    ;({ requester } = await openContract(hub, { provider }))
    const agent = await connectAgent(hub, provider, [TOOL])
    human = await connectAs(hub, requester)
    agent.close()
  })
  after(async () => {
    human.close()
    await hub.close()
  })

  /** More of them open than any line takes at once. */
  async function longCalls(): Promise<{ rooms: string[]; ids: string[] }> {
    const rooms = await Promise.all(Array.from({ length: 6 }, newRoom))
    const ids: string[] = []
    for (const contract_id of rooms) {
      for (let at = 0; at < FIT; at++) {
        const answer = await call(contract_id, at)
        if (answer.ok) ids.push(answer.call_id)
      }
    }
    return { rooms, ids }
  }

  const newRoom = async () => (await openContract(hub, { requester, provider })).contract_id
  const call = (contract_id: string, at: number, input: unknown = LONG) =>
    human.ask('tool.call', { contract_id, key: `call ${at}`, tool: 'read', input })

  it('[CALL-28] the inputs of open calls have 2 MB at most, and there is room again when one has ended', async () => {
    const contract_id = await newRoom()
    const asked = []
    for (let at = 0; at < FIT; at++) asked.push(await call(contract_id, at))
    expect(asked.filter(({ ok }) => ok)).to.have.length(FIT)
    const refused = await call(contract_id, 100)
    expect(refused).to.have.nested.property('error.code', 'OVERLOADED')
    expect(refused).to.have.nested.property('error.facts.most_bytes', 2_097_152)
    expect(await call(contract_id, 101, 'short')).to.include({ ok: true })
    const [first] = asked
    if (first?.ok !== true) throw new Error('the first call was refused')
    const agent = await connectAgent(hub, provider)
    await agent.must('agent.tool.result', { call_id: first.call_id, status: 'succeeded' })
    agent.close()
    expect(await call(contract_id, 100)).to.include({ ok: true })
  })

  it('[CALL-29] a hello brings all open calls of all rooms, and no more than one of them waits for a line that stands', async () => {
    const { rooms, ids } = await longCalls()
    expect(ids).to.have.length(rooms.length * FIT)
    const agent = await connectAs(hub, provider)
    const tcp = (agent.socket.io.engine.transport as unknown as { ws: { _socket: { pause(): void; resume(): void } } }).ws._socket
    const hello = agent.must('agent.hello', { protocol: 1, agent: { name: 'reader', version: '1' } })
    await agent.next('core.tool.call')
    tcp.pause()
    // Far from the time after which a line that stands is given up.
    for (let look = 0; look < 8; look++) {
      await human.must('message.post', { contract_id: rooms[0] ?? '', key: `look ${look}`, body: 'here' })
      clock.advance(1_000)
      expect(await queuedBytes()).to.be.below(2 * LONG.length)
    }
    tcp.resume()
    await hello
    for (const id of ids) await agent.next('core.tool.call', ({ call_id }) => call_id === id)
    agent.close()
  })

  it('[CALL-29] many who wait for one line that stands wait together: Node warns of no leak', async () => {
    await longCalls()
    const warnings: string[] = []
    const onWarning = ({ name }: Error) => void warnings.push(name)
    process.on('warning', onWarning)
    const agent = await connectAs(hub, provider)
    const tcp = (agent.socket.io.engine.transport as unknown as { ws: { _socket: { pause(): void; resume(): void } } }).ws._socket
    await agent.must('agent.hello', { protocol: 1, agent: { name: 'reader', version: '1' } })
    tcp.pause()
    const answers = Array.from({ length: 12 }, () => agent.must('agent.tools.register', { tools: [TOOL] }))
    while ((await queuedBytes()) === 0) clock.advance(1_000)
    tcp.resume()
    await Promise.all(answers)
    agent.close()
    process.off('warning', onWarning)
    expect(warnings).to.deep.equal([])
  })

  it('[SLOW-5] one that goes on reading is closed at 32 MB and not before; one that stands is closed in ten seconds', () => {
    const moved = createManualClock()
    const cut: string[] = []
    const watched = createSlowConsumers({ clock: moved, ladder: defaultLadder, meter: createMeter() })
    const lines = { slow: [6_000_000, 1], stuck: [100, 0], greedy: [33_554_432, 1_000_000] } as const
    for (const [id, [bytes, pace]] of Object.entries(lines)) {
      let left = 0
      const progress = () => {
        left += pace
        return left
      }
      // The cast holds: of a session the watch uses its id and what it says before it closes.
      const session = { id, send: () => undefined } as unknown as Session
      watched.add(session, {
        bytes: () => (cut.includes(id) ? 0 : bytes),
        pushOut: () => undefined,
        progress,
        cut: () => void cut.push(id),
      })
    }
    moved.advance(1_000)
    expect(cut).to.deep.equal(['greedy'])
    for (let s = 0; s < 60; s++) moved.advance(1_000)
    expect(cut).to.deep.equal(['greedy', 'stuck'])
    watched.close()
  })

  it('[SLOW-6] of one large answer each piece that the line takes is progress, long before the whole has left', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const accepted = once(server, 'connection')
    const reader = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
    const [tcp] = (await accepted) as [Socket]
    // The cast holds: of a connection the backlog looks at its queue and at the socket of its transport alone.
    const backlog = backlogOf({ conn: { writeBuffer: [], transport: { socket: { _socket: tcp } } } } as never)
    tcp.write(Buffer.alloc(30_000_000))
    const before = backlog.progress()
    reader.resume()
    while (backlog.progress() === before) await once(reader, 'data')
    expect(tcp.writableLength).to.equal(30_000_000)
    for (const socket of [reader, tcp]) socket.destroy()
    server.close()
  })

  async function queuedBytes(): Promise<number> {
    const text = await (await fetch(`${hub.url}/metrics`)).text()
    return Number(/^parley_queued_bytes (\d+)/m.exec(text)?.[1] ?? 0)
  }
})
