import { expect } from 'chai'
import { startHub } from '../harness/hub.ts'
import { connectAgent, connectAs, openContract } from '../harness/people.ts'
import { useConformanceHub } from './use-hub.ts'
import { createProtocolClient, type Wire } from './wire.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)

describe('a hub out of conformance mode', () => {
  it('[CONF-1] echoes nothing on `/`, knows no `/custom`, and keeps its own times', async () => {
    const hub = await startHub()
    const client = createProtocolClient(hub.url)
    try {
      const wire = await client.openWire()
      const { sid: _, ...opened } = wire.opened
      expect(opened).to.deep.equal({ upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1_048_576 })
      wire.send('40{"token":"123"}')
      expect(await wire.next()).to.match(/^40\{"sid":"[^"]+"\}$/)
      wire.send('42["message","anyone?"]')
      wire.send('421["message-with-ack","anyone?"]')
      wire.send('40/custom,')
      // One connection is one order: an echo would have come before this answer.
      expect(await wire.next()).to.equal('44/custom,{"message":"Invalid namespace"}')
      expect(hub.troubles).to.deep.equal([])
    } finally {
      client.closeAll()
      await hub.close()
    }
  })
})

/** What the fifth version of the Socket.IO protocol asks of a server, against the hub as a process. */
describe('the Socket.IO protocol', () => {
  const stage = useConformanceHub()

  /** Connected to `/`, with its welcome read. */
  async function connected(): Promise<Wire> {
    const wire = await stage.client.openWire()
    wire.send('40')
    expect(await wire.nextAnswer()).to.match(/^40\{"sid":"[^"]+"\}$/)
    expect(await wire.nextAnswer()).to.equal('42["auth",{}]')
    return wire
  }

  it('[CONF-2] the mode is told as a warning when the hub starts', () => {
    const told = stage.hub.log.map((line) => JSON.parse(line)).filter(({ event }) => event === 'conformance.on')
    expect(told.map(({ level }) => level)).to.deep.equal(['warn'])
  })

  for (const [what, asked, begin, auth] of [
    ['the main namespace', '40', /^40\{"sid":"[^"]+"\}$/, '42["auth",{}]'],
    ['the main namespace, with credentials', '40{"token":"123"}', /^40\{"sid":"[^"]+"\}$/, '42["auth",{"token":"123"}]'],
    ['a custom namespace', '40/custom,', /^40\/custom,\{"sid":"[^"]+"\}$/, '42/custom,["auth",{}]'],
    ['a custom namespace, without the comma', '40/custom', /^40\/custom,\{"sid":"[^"]+"\}$/, '42/custom,["auth",{}]'],
    [
      'a custom namespace, with credentials',
      '40/custom,{"token":"ä"}',
      /^40\/custom,\{"sid":"[^"]+"\}$/,
      '42/custom,["auth",{"token":"ä"}]',
    ],
  ] as const) {
    it(`[CONF-9] a client connects to ${what}`, async () => {
      const wire = await stage.client.openWire()
      wire.send(asked)
      expect(await wire.nextAnswer()).to.match(begin)
      expect(await wire.nextAnswer()).to.equal(auth)
    })
  }

  it('[CONF-9] an unknown namespace and missing credentials are refused, and the connection lives', async () => {
    const wire = await connected()
    wire.send('40/nowhere,')
    expect(await wire.nextAnswer()).to.equal('44/nowhere,{"message":"Invalid namespace"}')
    wire.send('40/rooms,')
    const refused = await wire.nextAnswer()
    expect(String(refused)).to.match(/^44\/rooms,\{/)
    expect(JSON.parse(String(refused).slice('44/rooms,'.length))).to.have.nested.property('data.code', 'UNAUTHENTICATED')
    wire.send('42["message","still here"]')
    expect(await wire.nextAnswer()).to.equal('42["message-back","still here"]')
  })

  it('[CONF-10] a first packet that is no CONNECT ends the connection', async () => {
    for (const first of ['4abc', '42["message","hello"]', '41']) {
      const wire = await stage.client.openWire()
      wire.send(first)
      expect(await wire.closed(), first).to.deep.equal([])
    }
  })

  it('[CONF-10] a client that asks for no namespace is gone after the connect time-out, however well it beats', async () => {
    const wire = await stage.client.openWire()
    let pings = 0
    const end = await (async () => {
      for (;;) {
        const frame = await wire.nextAnswer().catch(() => undefined)
        if (frame === undefined) return 'closed'
        pings += 1
      }
    })()
    expect([end, pings]).to.deep.equal(['closed', 0])
  })

  it('[CONF-11] leaving one namespace leaves the others as they are', async () => {
    const wire = await connected()
    wire.send('40/custom,')
    expect(await wire.nextAnswer()).to.match(/^40\/custom,/)
    expect(await wire.nextAnswer()).to.equal('42/custom,["auth",{}]')
    wire.send('42/custom,["message",1]')
    expect(await wire.nextAnswer()).to.equal('42/custom,["message-back",1]')
    wire.send('41/custom,')
    wire.send('42["message",3]')
    expect(await wire.nextAnswer()).to.equal('42["message-back",3]')
    wire.send('41')
    wire.send('40/custom,')
    expect(await wire.nextAnswer(), 'after the main namespace was left').to.match(/^40\/custom,/)
  })

  const placeholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
  for (const [what, sent, answered] of [
    ['plain', ['42["message",1,"2",{"3":[true]}]'], ['42["message-back",1,"2",{"3":[true]}]']],
    ['any script', ['42["message","你好 €😀"]'], ['42["message-back","你好 €😀"]']],
    ['null and nothing', ['42["message",null,{},[]]'], ['42["message-back",null,{},[]]']],
    [
      'with bytes',
      [`452-["message",${placeholders}]`, bytes(1, 2, 3), bytes(4, 5, 6)],
      [`452-["message-back",${placeholders}]`, [1, 2, 3], [4, 5, 6]],
    ],
    [
      'with bytes, in a namespace',
      ['451-/custom,["message",{"in":{"_placeholder":true,"num":0}}]', bytes(255, 0)],
      ['451-/custom,["message-back",{"in":{"_placeholder":true,"num":0}}]', [255, 0]],
    ],
    ['with an acknowledgement', ['42456["message-with-ack",1,"2",{"3":[false]}]'], ['43456[1,"2",{"3":[false]}]']],
    ['with an acknowledgement of nothing', ['420["message-with-ack"]'], ['430[]']],
    ['with an acknowledgement, in a namespace', ['42/custom,13["message-with-ack","a"]'], ['43/custom,13["a"]']],
    [
      'with bytes and an acknowledgement',
      [`452-789["message-with-ack",${placeholders}]`, bytes(1, 2, 3), bytes(4, 5, 6)],
      [`462-789[${placeholders}]`, [1, 2, 3], [4, 5, 6]],
    ],
  ] satisfies [string, (string | Uint8Array<ArrayBuffer>)[], (string | number[])[]][]) {
    it(`[CONF-12] an event comes back: ${what}`, async () => {
      const wire = await connected()
      wire.send('40/custom,')
      expect(await wire.nextAnswer()).to.match(/^40\/custom,/)
      expect(await wire.nextAnswer()).to.equal('42/custom,["auth",{}]')
      for (const frame of sent) wire.send(frame)
      for (const frame of answered) expect(await wire.nextAnswer()).to.deep.equal(frame)
    })
  }

  for (const [what, sent] of [
    ['an event to a namespace that it is not in', '42/custom,["message",1]'],
    ['an unknown packet of Engine.IO', 'abc'],
    ['an unknown packet type', '4abc'],
    ['a payload that is no array', '42{}'],
    ['a payload that is no JSON', '42["message",'],
    ['an empty payload', '42[]'],
    ['an acknowledgement id that is no number', '42abc["message-with-ack",1]'],
    ['an event that only the protocol may send', '42["disconnect"]'],
    ['an attachment that nothing announced', bytes(1, 2, 3)],
    ['more than the largest payload', `42["message","${'x'.repeat(1_000_000)}"]`],
  ] as const) {
    it(`[CONF-13] ${what} ends the connection, and the hub serves others`, async () => {
      const wire = await connected()
      wire.send(sent)
      expect((await wire.closed()).filter((frame) => frame !== '2' && frame !== '1')).to.deep.equal([])
      const other = await connected()
      other.send('42["message","well"]')
      expect(await other.nextAnswer()).to.equal('42["message-back","well"]')
    })
  }

  it('[CONF-14] rooms are as they always are beside the echoes', async () => {
    const { contract_id, requester, provider } = await openContract(stage.hub)
    const agent = await connectAgent(stage.hub, provider)
    const human = await connectAs(stage.hub, requester, { transports: ['polling', 'websocket'] })
    await agent.must('room.join', { contract_id })
    const { seq } = await human.must('message.post', { contract_id, key: 'one', body: 'hello' })
    expect((await agent.event(contract_id, 'message.posted')).seq).to.equal(seq)
    const echo = await agent.askRaw('message-with-ack', {})
    expect(echo).to.have.nested.property('error.code', 'FRAME_UNKNOWN')
    agent.close()
    human.close()
  })
})
