import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { FrameType } from '../../../shared/protocol/index.ts'
import { csrfOf } from '../../harness/csrf-of.ts'
import { api, type Client, connectAgent, connectAs, openContract, type Person, signUp } from '../../harness/people.ts'
import { codeOf, readLog, type Stage, setStage, shout } from '../stage.ts'

/** Who is no party learns nothing and changes nothing, whatever he knows. */
describe('bad input: access', () => {
  let stage: Stage
  let stranger: Person
  let eve: Client
  /** Another contract, with an agent of its own. */
  let other: Awaited<ReturnType<typeof openContract>>
  let otherAgent: Client & { session_id: string }

  before(async () => {
    stage = await setStage()
    stranger = await signUp(stage.hub, ['requester', 'provider'], 'Eve')
    eve = await connectAs(stage.hub, stranger)
    other = await openContract(stage.hub)
    otherAgent = await connectAgent(stage.hub, other.provider, [shout])
  })

  afterEach(() => stage.mustBeSound())
  after(async () => {
    eve.close()
    otherAgent.close()
    await stage.close()
  })

  /** The refusal as bytes, without the one thing that differs from answer to answer. */
  function bytesOf(answer: unknown): string {
    return JSON.stringify(answer).replace(/"correlation_id":"[^"]+"/, '')
  }

  const aboutContract: Partial<Record<FrameType, object>> = {
    'room.join': {},
    'room.leave': {},
    'message.post': { key: 'k', body: 'hello' },
    'tool.call': { key: 'k', tool: 'shout', input: { text: 'x' } },
    'tool.cancel': { call_id: randomUUID() },
    'contract.end': { key: 'k', outcome: 'done' },
    typing: {},
    'cursor.set': { seq: 1 },
  }

  for (const [type, payload] of Object.entries(aboutContract)) {
    it(`[BAD-11] ${type}: a foreign contract and one that is not there get the same answer, byte for byte`, async () => {
      const foreign = await eve.askRaw(type, { ...payload, contract_id: stage.contract_id })
      const unknown = await eve.askRaw(type, { ...payload, contract_id: randomUUID() })
      expect(bytesOf(foreign)).to.equal(bytesOf(unknown))
      // To leave where one never was is no offence.
      expect(codeOf(foreign)).to.equal(type === 'room.leave' ? 'ok' : 'NOT_FOUND')
    })
  }

  it('[BAD-12] an operator in the place of an id is refused before anything reads it', async () => {
    for (const contract_id of [{ $ne: null }, { $gt: '' }, ['a'], '', `${stage.contract_id}\u0000`, `contract:${stage.contract_id}`]) {
      const answer = await stage.human.askRaw('room.join', { contract_id })
      expect(answer).to.have.nested.property('error.code', 'FRAME_INVALID')
      expect(answer).to.have.nested.property('error.errors[0].pointer', '/contract_id')
    }
    const login = await stage.hub.post('/sessions', { email: { $ne: null }, password: { $ne: null } })
    expect(login).to.include({ status: 400 })
  })

  it('[BAD-13] who joined a foreign room in vain hears nothing of it', async () => {
    const { contract_id, human } = stage
    expect(codeOf(await eve.ask('room.join', { contract_id }))).to.equal('NOT_FOUND')
    await human.must('message.post', { contract_id, key: randomUUID(), body: 'between us' })
    await human.must('typing', { contract_id })
    stage.clock.advance(1_000)
    await eve.must('room.join', { contract_id: (await openContract(stage.hub, { requester: stranger })).contract_id })
    expect(JSON.stringify(eve.told)).not.to.include(contract_id)
  })

  it("[BAD-14] a chunk or a result for another agent's call is NOT_FOUND like one that is not there, and does nothing", async () => {
    const call_id = await stage.call('foreign-call')
    const before = await stage.log()
    for (const [type, payload] of [
      ['agent.tool.stream', { seq: 1, chunk: 'mine' }],
      ['agent.tool.result', { status: 'succeeded', output: 'mine' }],
      ['agent.tool.result', { status: 'failed', error: { code: 'X', message: 'x' } }],
    ] as const) {
      const foreign = await otherAgent.askRaw(type, { ...payload, call_id })
      const unknown = await otherAgent.askRaw(type, { ...payload, call_id: randomUUID() })
      expect(codeOf(foreign)).to.equal('NOT_FOUND')
      expect(bytesOf(foreign)).to.equal(bytesOf(unknown))
    }
    expect(await stage.log(), 'nothing is recorded, and the call is not started').to.deep.equal(before)
    await stage.agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'yours' })
    await stage.agent.must('agent.tool.result', { call_id, status: 'succeeded' })
  })

  it('[BAD-14] the requester cannot answer the call itself', async () => {
    const call_id = await stage.call('own-call')
    const before = await stage.log()
    for (const [type, payload] of [
      ['agent.tool.stream', { seq: 1, chunk: 'mine' }],
      ['agent.tool.result', { status: 'succeeded' }],
    ] as const) {
      expect(codeOf(await stage.human.askRaw(type, { ...payload, call_id }))).to.equal('PERMISSION_DENIED')
    }
    expect(await stage.log()).to.deep.equal(before)
    await stage.agent.must('agent.tool.result', { call_id, status: 'succeeded' })
  })

  it('[BAD-15] a call of another contract cannot be canceled through one’s own', async () => {
    const call_id = await stage.call('cancel-across')
    const requester = await connectAs(stage.hub, other.requester)
    const across = await requester.ask('tool.cancel', { contract_id: other.contract_id, call_id })
    const nowhere = await requester.ask('tool.cancel', { contract_id: other.contract_id, call_id: randomUUID() })
    expect([codeOf(across), codeOf(nowhere)]).to.deep.equal(['CALL_NOT_OPEN', 'CALL_NOT_OPEN'])
    expect((await readLog(stage.hub, other.contract_id)).map(({ type }) => type)).to.deep.equal(['contract.opened'])
    requester.close()
    await stage.agent.must('agent.tool.result', { call_id, status: 'succeeded' })
  })

  const badAuth = {
    'no credentials': {},
    'a wrong token': { token: 'op_wrong' },
    'a wrong key': { key: 'pk_agent_0000000000000000000000000000000000' },
    'types that no credential has': { token: { $ne: null }, key: ['a'] },
    'an empty token': { token: '' },
    'a token of 100 KB': { token: 'x'.repeat(100_000) },
  }
  for (const [what, auth] of Object.entries(badAuth)) {
    it(`[BAD-16] a handshake with ${what} is refused with UNAUTHENTICATED`, async () => {
      const error = await connectAs(stage.hub, { auth: auth as never }).then(
        () => undefined,
        (refused: { data?: unknown }) => refused.data,
      )
      expect(error).to.include({ code: 'UNAUTHENTICATED', retry: 'never' })
    })
  }

  it('[BAD-17] the cookie counts only with the own Origin', async () => {
    const { hub } = stage
    const link = await api<{ url: string }>(hub, 'POST', '/sign-in-links', { body: {}, bearer: hub.operator_token })
    const body = { token: new URL(link.body.url).hash.slice('#token='.length) }
    const redeemed = await api(hub, 'POST', '/sign-in-links/redeem', { body })
    const cookie = redeemed.headers.get('set-cookie')?.split(';')[0] ?? ''
    const join = (headers: object) => connectAs(hub, { auth: {} as never }, { extraHeaders: { cookie, ...headers } })

    for (const headers of [{ origin: 'https://evil.invalid' }, { origin: 'null' }, {}]) {
      const refused = await join(headers).then(
        () => 'taken',
        (error: { data?: { code: string } }) => error.data?.code,
      )
      expect(refused).to.equal('ORIGIN_DENIED')
    }
    const own = await join({ origin: hub.url })
    await own.must('room.join', { contract_id: stage.contract_id })
    own.close()

    const request = (headers: Record<string, string>) =>
      fetch(`${hub.url}/contracts`, { method: 'POST', headers: { cookie, 'content-type': 'application/json', ...headers }, body: '{}' })
    expect((await request({ origin: 'https://evil.invalid' })).status).to.equal(403)
    expect((await request({})).status).to.equal(403)
    const csrf = (await csrfOf(hub.url, cookie)) ?? ''
    expect((await request({ origin: hub.url, 'x-csrf-token': csrf })).status).to.equal(400)
  })
})
