import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { connectAs } from '../../harness/people.ts'
import { codeOf, type Stage, setStage, until } from '../stage.ts'

/** What no client should send, at the level of frames and packets. */
describe('bad input: frames', () => {
  let stage: Stage

  before(async () => {
    stage = await setStage()
  })

  afterEach(() => stage.mustBeSound())
  after(() => stage.close())

  const nested = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as unknown

  /** A bare engine.io websocket: it sends any text. */
  async function openRaw({ join = true } = {}) {
    const { hub, requester } = stage
    const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
    const heard: string[] = []
    let closed: number | undefined
    socket.addEventListener('message', ({ data }) => heard.push(String(data)))
    socket.addEventListener('close', ({ code }) => {
      closed = code
    })
    await until('the engine opens', () => heard.length > 0)
    if (join) {
      socket.send(`40/rooms,${JSON.stringify(requester.auth)}`)
      await until('the namespace opens', () => heard.some((text) => text.startsWith('40/rooms,{')))
    }
    return { socket, heard, closed: () => closed, ended: () => until('the connection closes', () => closed !== undefined) }
  }

  it('[BAD-1] an unknown frame is refused by name, whatever the name', async () => {
    for (const type of ['message.pots', '', '__proto__', 'constructor', 'error', 'x'.repeat(10_000)]) {
      const answer = await stage.human.askRaw(type, {})
      expect(codeOf(answer)).to.equal('FRAME_UNKNOWN')
      expect(JSON.stringify(answer)).to.have.length.below(1_000)
    }
  })

  it('[BAD-1] a number as the name of a frame is refused, and the hub lives', async () => {
    const raw = await openRaw()
    raw.socket.send('42/rooms,7[12,{"contract_id":1}]')
    await until('it is answered', () => raw.heard.some((text) => text.startsWith('43/rooms,7')))
    expect(raw.heard.at(-1)).to.include('FRAME_UNKNOWN')
    raw.socket.close()
  })

  it('[BAD-2] wrong types are refused with a pointer to each', async () => {
    const { human, contract_id } = stage
    const answer = await human.askRaw('message.post', { contract_id: 7, key: '', body: null, visibility: 'secret', reply_to: 'x' })
    if (answer.ok) throw new Error('it was taken')
    expect(answer.error).to.include({ code: 'FRAME_INVALID', retry: 'never' })
    expect(answer.error.errors?.map(({ pointer }) => pointer)).to.have.members([
      '/contract_id',
      '/key',
      '/body',
      '/visibility',
      '/reply_to',
    ])
    const badId = await human.askRaw('message.post', { contract_id: '<your id>', key: 'k', body: 'x' })
    if (badId.ok) throw new Error('it was taken')
    const detail = 'must be an id as the hub gives it, a UUID such as 01234567-89ab-7cde-8123-456789abcdef'
    expect(badId.error.errors).to.deep.equal([{ pointer: '/contract_id', detail }])
    for (const payload of [undefined, null, 0, 'text', true, [], [{ contract_id }], () => {}]) {
      expect(codeOf(await human.askRaw('message.post', payload))).to.equal('FRAME_INVALID')
    }
    const long = await human.askRaw('message.post', { contract_id, key: 'k', body: 'x'.repeat(100_001) })
    expect(codeOf(long)).to.equal('FRAME_INVALID')
  })

  it('[BAD-3] a frame over 256 KB is refused, and its socket lives', async () => {
    const { human, contract_id } = stage
    stage.clock.advance(10_000)
    const answer = await human.askRaw('message.post', { contract_id, key: randomUUID(), body: 'x'.repeat(300_000) })
    expect(answer).to.have.nested.property('error.code', 'FRAME_TOO_LARGE')
    expect(answer).to.have.nested.property('error.facts.frame_bytes', 262_144)
    expect(codeOf(await human.askRaw('message.post', 'x'.repeat(300_000)))).to.equal('FRAME_TOO_LARGE')
    await human.must('message.post', { contract_id, key: randomUUID(), body: 'still here' })
  })

  it('[BAD-4] a message over 1 MB ends that connection, and no other', async () => {
    const { hub, requester, human, contract_id } = stage
    stage.clock.advance(10_000)
    const large = await connectAs(hub, requester)
    const ended = new Promise((resolve) => large.socket.once('disconnect', resolve))
    large.socket.emit('message.post', { contract_id, key: 'large', body: 'x'.repeat(1_500_000) })
    await ended
    await human.must('message.post', { contract_id, key: randomUUID(), body: 'the others stay' })
    const again = await connectAs(hub, requester)
    again.close()
  })

  it('[BAD-5] JSON nested deeper than 64 levels is refused, 20,000 too, and 64 pass', async () => {
    const { human, contract_id } = stage
    const call = (input: unknown) => human.askRaw('tool.call', { contract_id, key: randomUUID(), tool: 'shout', input })
    expect(codeOf(await call(nested(63)))).to.equal('ok')
    const over = await call(nested(65))
    expect(over).to.have.nested.property('error.code', 'FRAME_INVALID')
    expect(over).to.have.nested.property('error.errors[0].detail', 'nested deeper than 64')
    const raw = await openRaw()
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
    raw.socket.send(`42/rooms,1["tool.call",{"contract_id":"${contract_id}","key":"deep","tool":"shout","input":${deep}}]`)
    await until('it is answered', () => raw.heard.some((text) => text.startsWith('43/rooms,1')))
    expect(raw.heard.at(-1)).to.include('FRAME_INVALID')
    raw.socket.close()
  })

  it('[BAD-6] a frame without an acknowledgement is carried out, or refused in silence', async () => {
    const { human, contract_id } = stage
    human.socket.emit('message.post', { contract_id, key: 'no-ack', body: 'nobody waits' })
    human.socket.emit('message.post', { contract_id: 7 })
    human.socket.emit('message.pots')
    human.socket.emit('message.post')
    await human.event(contract_id, 'message.posted', (event) => 'key' in event && event.key === 'no-ack')
    await human.must('typing', { contract_id })
  })

  it('[BAD-7] two payloads in one frame are refused', async () => {
    const { human, contract_id } = stage
    const payload = { contract_id, key: 'two', body: 'one' }
    expect(codeOf(await human.askRaw('message.post', payload, payload))).to.equal('FRAME_INVALID')
  })

  it('[BAD-8] binary where text is due is refused', async () => {
    const { human, contract_id } = stage
    const bytes = Buffer.from('hello')
    for (const payload of [bytes, { contract_id, key: 'b', body: bytes }, { contract_id: bytes, key: 'b', body: 'x' }]) {
      expect(codeOf(await human.askRaw('message.post', payload))).to.equal('FRAME_INVALID')
    }
    const input = await human.askRaw('tool.call', { contract_id, key: 'b', tool: 'shout', input: { deep: [bytes] } })
    expect(input).to.have.nested.property('error.errors[0].pointer', '/input/deep/0')
  })

  it('[BAD-9] half of a surrogate pair is refused wherever it stands', async () => {
    const { human, contract_id } = stage
    const half = '\ud83d'
    for (const payload of [{ body: `a${half}` }, { key: half }, { reply_to: half }, { [half]: 1 }]) {
      const answer = await human.askRaw('message.post', { contract_id, key: 'h', body: 'x', ...payload })
      expect(codeOf(answer)).to.equal('FRAME_INVALID')
    }
    expect(codeOf(await human.askRaw('tool.call', { contract_id, key: 'h', tool: 'shout', input: { [half]: 1 } }))).to.equal(
      'FRAME_INVALID',
    )
    const whole = await human.must('message.post', { contract_id, key: 'whole', body: '😀' })
    expect((await stage.log()).at(whole.seq - 1)?.data['body']).to.equal('😀')
  })

  const brokenPackets = {
    'an unknown packet type': '49/rooms,[]',
    'no JSON': '42/rooms,["message.post",{',
    'an event that is no list': '42/rooms,{"a":1}',
    'a reserved name': '42/rooms,["disconnect"]',
    'a namespace that is not joined': '42/other,["message.post",{}]',
    'an empty event': '42/rooms,[]',
    'a placeholder without its attachment': '451-/rooms,["message.post",{"_placeholder":true,"num":9}]',
    'text where an attachment is due': '451-/rooms,["message.post",{"_placeholder":true,"num":0}]\u0000',
    'an engine packet of no type': 'x',
    'an acknowledgement of nothing': '43/rooms,999[1]',
    'a second handshake': '40/rooms,{"token":1}',
    'an attachment count without an end': '45999999999999',
  }
  for (const [what, packet] of Object.entries(brokenPackets)) {
    it(`[BAD-10] garbage on a websocket concerns that connection only: ${what}`, async () => {
      const { human, contract_id } = stage
      const raw = await openRaw()
      raw.socket.send(packet)
      raw.socket.send('42/rooms,5["typing",{}]')
      await until('it is answered or closed', () => raw.closed() !== undefined || raw.heard.some((text) => text.startsWith('43/rooms,5')))
      raw.socket.close()
      await human.must('message.post', { contract_id, key: randomUUID(), body: 'unimpressed' })
    })
  }

  it('[BAD-10] binary garbage, and frames before the handshake, concern that connection only', async () => {
    const { human, contract_id } = stage
    const binary = await openRaw()
    binary.socket.send(new Uint8Array([1, 2, 3]))
    await binary.ended()
    const early = await openRaw({ join: false })
    early.socket.send('42/rooms,5["typing",{}]')
    await early.ended()
    await human.must('message.post', { contract_id, key: randomUUID(), body: 'unimpressed' })
  })
})
