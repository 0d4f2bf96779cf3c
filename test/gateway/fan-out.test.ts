import { expect } from 'chai'
import type { Socket } from 'socket.io'
import { createEmitFanOut, createFanOut, type FanOut } from '../../server/gateway/delivery/fan-out.ts'
import { createProtocolClient } from '../conformance/wire.ts'
import { createManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { type Client, connectAgent, connectAs, openContract, type Person, signUp } from '../harness/people.ts'

const LIMITS = {
  ...{ frames_per_s: 10_000, frames_burst: 20_000, bytes_per_s: 100_000_000 },
  ...{ principal_frames_per_s: 10_000, room_frames_per_s: 20_000 },
}
/** Every length that a frame can say in its own way, every kind of letter, and a key that JSON.parse would move. */
const BODIES = ['short', 'a "quoted" \\ line\n of ü → 𝄞 and \u2028', 'x'.repeat(300), 'é'.repeat(15_000), '0'.repeat(20_000)]

/** Longer than an access token lives, and its grace. */
const TOKEN_MS = 20 * 60 * 1_000

describe('fan-out', () => {
  let hub: TestHub
  let contract_id: string
  let requester: Person
  let provider: Person
  let posted = 0

  before(async () => {
    hub = await startHub({ limits: LIMITS })
    ;({ contract_id, requester, provider } = await openContract(hub))
  })
  after(() => hub.close())

  async function join(person: Person, options: Record<string, unknown> = {}): Promise<Client> {
    const client = await connectAs(hub, person, options)
    await client.must('room.join', { contract_id })
    await client.next('live')
    return client
  }

  const post = (writer: Client, body: string) => writer.must('message.post', { contract_id, key: `post ${posted++}`, body })

  async function written(way: 'direct' | 'queued', of = hub): Promise<number> {
    const text = await (await fetch(`${of.url}/metrics`)).text()
    return Number(new RegExp(`^parley_written_total\\{way="${way}"\\} (\\d+)`, 'm').exec(text)?.[1])
  }

  /** A room that holds all kinds of bodies and a note, read from its first event on a bare WebSocket, frame by frame as they came. */
  async function readRaw(of: TestHub, person: Person, room: string): Promise<string[]> {
    const protocol = createProtocolClient(of.url)
    const wire = await protocol.openWire()
    wire.send(`40/rooms,${JSON.stringify(person.auth)}`)
    await wire.nextAnswer()
    wire.send(`42/rooms,0["room.join",{"contract_id":"${room}","since":0}]`)
    const frames: string[] = []
    while (!frames.at(-1)?.startsWith('42/rooms,["live"')) frames.push(String(await wire.nextAnswer()))
    protocol.closeAll()
    return frames
  }

  it('[FAN-1] a client reads the bytes that emit would send, answers too, and most are written straight to its connection', async () => {
    const before = await written('direct')
    const writer = await join(requester)
    for (const body of BODIES) await post(writer, body)
    const reviewer = await signUp(hub, ['reviewer'])
    const staff = await connectAs(hub, reviewer)
    await staff.must('message.post', { contract_id, key: 'note', body: 'for staff', visibility: 'staff' })
    const frames = await readRaw(hub, requester, contract_id)
    for (const frame of frames) {
      const [, head = '', json = ''] = /^(4[23]\/rooms,\d*)(.*)$/s.exec(frame) ?? []
      expect(head + JSON.stringify(JSON.parse(json))).to.equal(frame)
    }
    expect(frames[0]).to.match(/^43\/rooms,0\[\{"ok":true,/)
    expect((await written('direct')) - before).to.be.at.least(BODIES.length * 2 + frames.length)

    const other = await startHub({ limits: LIMITS, like: hub, fanOut: createEmitFanOut() })
    // Who is there differs between hubs, the log does not.
    const ofTheLog = (all: string[]) => all.filter((frame) => !frame.includes('"presence"'))
    expect(ofTheLog(await readRaw(other, requester, contract_id)).slice(1)).to.deep.equal(ofTheLog(frames).slice(1))
    await other.close()
    writer.close()
    staff.close()
  })

  it('[FAN-2] polling, and a move from polling to a WebSocket in mid-stream, loses and reorders nothing', async () => {
    const writer = await join(requester)
    let last = 0
    let isDone = false
    const streaming = (async () => {
      while (!isDone) ({ seq: last } = await post(writer, `to everyone ${posted}`))
    })()
    const readers = await Promise.all(
      Array.from({ length: 12 }, (_, at) => join(requester, { transports: at < 4 ? ['polling'] : ['polling', 'websocket'] })),
    )
    const transports = () => readers.map(({ socket }) => socket.io.engine.transport.name)
    while (transports().filter((name) => name === 'websocket').length < 8) await post(writer, 'until all have moved')
    expect(transports().filter((name) => name === 'polling').length).to.equal(4)
    for (let n = 0; n < 20; n++) await post(writer, 'after the move')
    isDone = true
    await streaming
    for (const reader of readers) {
      await reader.event(contract_id, 'message.posted', ({ seq }) => seq >= last)
      const seqs = reader.events(contract_id).map(({ seq }) => seq)
      expect(seqs).to.deep.equal(Array.from({ length: seqs.length }, (_, at) => (seqs[0] ?? 0) + at))
      expect(seqs.length).to.be.greaterThan(20)
      reader.close()
    }
    writer.close()
  })

  it('[FAN-3] what a client has not read is counted while it waits, and comes whole and in order when it reads again', async () => {
    const clock = createManualClock()
    const own = await startHub({
      limits: LIMITS,
      clock,
      ladder: { lagging_bytes: 200_000_000, close_bytes: 200_000_000, stuck_ms: 86_400_000 },
    })
    const { contract_id: room, requester: someone } = await openContract(own)
    const writer = await connectAs(own, someone)
    const slow = await connectAs(own, someone)
    await slow.must('room.join', { contract_id: room })
    const { ws } = slow.socket.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } }
    ws.pause()
    let last = 0
    const queued = async () => {
      clock.advance(1_000)
      return Number(/^parley_queued_bytes (\d+)/m.exec(await (await fetch(`${own.url}/metrics`)).text())?.[1])
    }
    for (let n = 0; (await queued()) < 2_000_000; n++) {
      const body = 'x'.repeat(100_000)
      ;({ seq: last } = await writer.must('message.post', { contract_id: room, key: `${n}`, body }))
    }
    ws.resume()
    await slow.event(room, 'message.posted', ({ seq }) => seq === last)
    const seqs = slow.events(room).map(({ seq }) => seq)
    expect(seqs).to.deep.equal(Array.from({ length: last - 1 }, (_, at) => at + 2))
    expect(await queued()).to.equal(0)
    await own.close()
  })

  it('[FAN-4] who is sent away reads all before it and the reason; one that breaks off in mid-stream costs the others nothing', async () => {
    const clock = createManualClock()
    const own = await startHub({ limits: LIMITS, clock })
    const { contract_id: room, provider: agent } = await openContract(own)
    const operator = { auth: { token: own.operator_token } }
    const [writer, reader] = [await connectAs(own, operator), await connectAs(own, operator)]
    const guest = await signUp(own, ['reviewer'])
    const [leaving, breaking] = [await connectAs(own, guest), await connectAs(own, { auth: agent.auth })]
    for (const one of [reader, leaving, breaking]) await one.must('room.join', { contract_id: room })
    const gone = new Promise((resolve) => leaving.socket.once('disconnect', resolve))
    const say = (n: number) => writer.must('message.post', { contract_id: room, key: `${n}`, body: `${n}` })
    const posts = Array.from({ length: 50 }, (_, n) => say(n))
    ;(breaking.socket.io.engine.transport as unknown as { ws: { terminate(): void } }).ws.terminate()
    const { seq: last } = await say(50)
    await Promise.all(posts)
    clock.advance(TOKEN_MS)
    await gone
    expect(leaving.events(room).at(-1)?.seq).to.equal(last)
    expect(leaving.told.map(({ type }) => type).slice(-2)).to.deep.equal(['auth.expiring', 'closing'])
    await reader.event(room, 'message.posted', ({ seq }) => seq === last)
    expect(reader.events(room).length).to.equal(51)
    expect(own.troubles).to.deep.equal([])
    await own.close()
  })

  it('[FAN-5] answers, events, chunks and what Socket.IO sends itself keep their order on a connection', async () => {
    const agent = await connectAgent(hub, provider, [{ name: 'stream', description: 'Streams', input_schema: { type: 'object' } }])
    await agent.must('room.join', { contract_id })
    await agent.next('live')
    const caller = await join(requester)
    const called = await caller.must('tool.call', { contract_id, key: 'stream', tool: 'stream', input: {} })
    await agent.next('core.tool.call', ({ call_id }) => call_id === called.call_id)
    const { call_id } = called
    const answered: number[] = []
    const parts = Array.from({ length: 60 }, (_, at) =>
      agent.must('agent.tool.stream', { call_id, seq: at + 1, chunk: `${at + 1};` }).then(() => answered.push(at + 1)),
    )
    const posts = Array.from({ length: 20 }, (_, at) => post(caller, `meanwhile ${at}`))
    await agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    await Promise.all([...parts, ...posts])
    await caller.event(contract_id, 'call.succeeded')
    expect(answered).to.deep.equal(Array.from({ length: 60 }, (_, at) => at + 1))
    const story = caller.told.flatMap(({ type, payload }) => {
      if (type === 'chunk') return [`chunk ${(payload as { seq: number }).seq}`]
      if (type !== 'events') return []
      return (payload as { events: { type: string; data?: { call_id?: string } }[] }).events.flatMap((event) =>
        event.data?.call_id === call_id ? [event.type] : [],
      )
    })
    expect(story).to.deep.equal([
      ...['call.requested', 'call.started'],
      ...Array.from({ length: 60 }, (_, at) => `chunk ${at + 1}`),
      'call.succeeded',
    ])
    agent.close()
    caller.close()
  })

  const broken: Record<string, { fanOut(): FanOut; fault: RegExp }> = {
    'writes other bytes': {
      fanOut: () => {
        const fanOut = createFanOut('/rooms')
        return { ...fanOut, tell: (sockets, type, json) => fanOut.tell(sockets, type, json.replace('ü', 'u')) }
      },
      fault: /other bytes/,
    },
    'lets one overtake another': {
      fanOut: () => {
        const fanOut = createFanOut('/rooms')
        let held: Parameters<FanOut['tell']> | undefined
        const tell: FanOut['tell'] = (...push) => {
          const before = held
          held = before === undefined ? push : undefined
          if (before !== undefined) for (const one of [push, before]) fanOut.tell(...one)
          else fanOut.tell([], 'events', '{}')
        }
        return { ...fanOut, tell }
      },
      fault: /not seen|other bytes/,
    },
    'answers under another id': {
      fanOut: () => {
        const fanOut = createFanOut('/rooms')
        return { ...fanOut, answer: (socket, to, body) => fanOut.answer(socket, { ...to, id: (to.id ?? 0) + 1 }, body) }
      },
      fault: /other bytes/,
    },
    'keeps bytes where nobody counts them': {
      fanOut: () => {
        const fanOut = createFanOut('/rooms')
        return { ...fanOut, tell: (...push) => void setImmediate(() => fanOut.tell(...push)) }
      },
      fault: /not seen/,
    },
    throws: {
      fanOut: () => ({
        ...createFanOut('/rooms'),
        tell: (sockets: readonly Socket[]) => {
          throw new Error(`no field for ${sockets.length}`)
        },
      }),
      fault: /no field for 1/,
    },
  }

  for (const [what, { fanOut, fault }] of Object.entries(broken)) {
    it(`[FAN-6] a fan-out that ${what} does not pass the hub’s proof at its start; the hub says so and serves by emit`, async () => {
      const own = await startHub({ fanOut: fanOut() })
      const [trouble] = own.troubles.splice(0)
      expect({ event: trouble?.event, level: trouble?.level }).to.deep.equal({ event: 'fan_out.slow', level: 'warn' })
      expect(trouble?.details['fault']).to.match(fault)
      const { contract_id: room, requester: someone } = await openContract(own)
      const client = await connectAs(own, someone)
      await client.must('room.join', { contract_id: room, since: 0 })
      const { seq } = await client.must('message.post', { contract_id: room, key: 'ü', body: 'ü' })
      await client.event(room, 'message.posted', (event) => event.seq === seq)
      expect(client.events(room).map(({ type }) => type)).to.deep.equal(['contract.opened', 'message.posted'])
      expect({ direct: await written('direct', own), troubles: own.troubles }).to.deep.equal({ direct: 0, troubles: [] })
      client.close()
      await own.close()
    })
  }
})
