import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { type FrameType, frameTypes, type Scope } from '../../shared/protocol/index.ts'
import { api, type Client, connectAs, openContract, type Person, registerAgent, signUp } from '../harness/people.ts'
import { codeOf, openDatabaseOf, type Stage, setStage, shout } from './stage.ts'

/**
 * Who may come in. `public` and `open`: anyone, and nothing of others is in the answer. `own`: only what is one's own is there.
 * `operator`: admins. A number: what somebody gets who has nothing to do with the object in the path.
 */
interface Row {
  who: 'public' | 'open' | 'own' | 'operator' | 403 | 404
  /** What a reviewer gets: one of the staff, and no admin. */
  reviewer?: number
  scope?: Scope
  body?: object
}

const routes: Record<string, Row> = {
  'GET /health': { who: 'public' },
  'GET /livez': { who: 'public' },
  'GET /readyz': { who: 'public' },
  'GET /metrics': { who: 'public' },
  'GET /openapi.json': { who: 'public' },
  'GET /audit/keys': { who: 'public' },
  'POST /agents': { who: 'open' },
  'POST /sessions': { who: 'open' },
  'POST /sessions/browser': { who: 'open' },
  'POST /sessions/refresh': { who: 'open' },
  'POST /sign-in-links/look': { who: 'open' },
  'POST /sign-in-links/redeem': { who: 'open' },
  'POST /invitations/look': { who: 'open' },
  'POST /invitations/redeem': { who: 'open' },
  'POST /password-resets': { who: 'open' },
  'POST /password-resets/look': { who: 'open' },
  'POST /password-resets/redeem': { who: 'open' },
  'GET /me': { who: 'own', reviewer: 200 },
  'GET /sessions': { who: 'own', reviewer: 200 },
  'DELETE /sessions/:id': { who: 'own', reviewer: 404 },
  'PUT /users/me/password': { who: 'own', reviewer: 400, body: {} },
  'GET /audit': { who: 'own', reviewer: 200 },
  'GET /audit/export': { who: 'own', reviewer: 200 },
  'GET /audit/verify': { who: 'own', reviewer: 200 },
  'GET /contracts': { who: 'own', reviewer: 200, scope: 'rooms:read' },
  'POST /contracts': {
    who: 403,
    reviewer: 403,
    scope: 'rooms:write',
    body: { title: 'Mine', requester_id: 'requester', provider_id: 'agent' },
  },
  'GET /agents': { who: 'own', reviewer: 200 },
  'GET /agents/:id': { who: 'own', reviewer: 200 },
  'PATCH /agents/:id': { who: 403, reviewer: 403, scope: 'agent', body: { name: 'Mine' } },
  'POST /agents/:id/claim': { who: 403, reviewer: 403, scope: 'agent', body: { api_key: 'guessed' } },
  'GET /agents/:id/permissions': { who: 404, reviewer: 200 },
  'PUT /agents/:id/permissions': { who: 404, reviewer: 200, scope: 'agent', body: { can_access_web: true } },
  'POST /agents/:id/keys': { who: 404, reviewer: 403, scope: 'keys', body: {} },
  'GET /agents/:id/keys': { who: 404, reviewer: 200, scope: 'keys' },
  'POST /agents/:id/keys/:key_id/rotations': { who: 404, reviewer: 403, scope: 'keys', body: { grace_period_s: 0 } },
  'DELETE /agents/:id/keys/:key_id': { who: 404, reviewer: 204, scope: 'keys' },
  'GET /agents/:id/keys/:key_id/history': { who: 404, reviewer: 200, scope: 'keys' },
  'GET /contracts/:id': { who: 404, reviewer: 200, scope: 'rooms:read' },
  'GET /contracts/:id/events': { who: 404, reviewer: 200, scope: 'rooms:read' },
  'GET /contracts/:id/search': { who: 404, reviewer: 200, scope: 'rooms:read' },
  'GET /contracts/:id/log/verify': { who: 404, reviewer: 200, scope: 'rooms:read' },
  'GET /contracts/:id/log/checkpoints': { who: 404, reviewer: 200, scope: 'rooms:read' },
  'GET /contracts/:id/permissions': { who: 404, reviewer: 200, scope: 'rooms:read' },
  'PUT /contracts/:id/permissions': { who: 404, reviewer: 200, scope: 'rooms:write', body: { can_access_web: true } },
  'GET /contracts/:id/calls/:call_id/text': { who: 404, reviewer: 200, scope: 'rooms:read' },
  'POST /users': { who: 'operator', reviewer: 403, body: {} },
  'GET /users': { who: 'operator', reviewer: 403 },
  'GET /users/:id': { who: 'operator', reviewer: 403 },
  'PATCH /users/:id': { who: 'operator', reviewer: 403, body: {} },
  'POST /users/:id/password-reset-links': { who: 'operator', reviewer: 403, body: {} },
  'POST /invitations': { who: 'operator', reviewer: 403, body: {} },
  'POST /sign-in-links': { who: 'operator', reviewer: 403, body: {} },
  // Last: they end the session of whoever asks.
  'DELETE /sessions/current': { who: 'own', reviewer: 204 },
  'DELETE /sessions': { who: 'own', reviewer: 401 },
}

/**
 * What a stranger gets for a frame about a room or call of others (undefined = the frame is about the sender alone), and what a reviewer
 * who is in the room gets.
 */
const frames: Record<FrameType, { scope: Scope | null; reviewer: string; payload: object; foreign?: string }> = {
  'agent.hello': { scope: null, reviewer: 'PERMISSION_DENIED', payload: { protocol: 1, agent: { name: 'x', version: '1' } } },
  'agent.tools.register': { scope: 'tools', reviewer: 'HELLO_REQUIRED', payload: { tools: [shout] } },
  'agent.heartbeat': { scope: null, reviewer: 'HELLO_REQUIRED', payload: {} },
  'audit.follow': { scope: null, reviewer: 'ok', payload: {}, foreign: 'PERMISSION_DENIED' },
  'audit.unfollow': { scope: null, reviewer: 'ok', payload: {} },
  'auth.refresh': { scope: null, reviewer: 'UNAUTHENTICATED', payload: { key: 'guessed' }, foreign: 'UNAUTHENTICATED' },
  'room.join': { scope: 'rooms:read', reviewer: 'ok', payload: {}, foreign: 'NOT_FOUND' },
  // To leave where one never was is no offence.
  'room.leave': { scope: 'rooms:read', reviewer: 'ok', payload: {}, foreign: 'ok' },
  'message.post': { scope: 'rooms:write', reviewer: 'ok', payload: { key: 'k', body: 'x' }, foreign: 'NOT_FOUND' },
  'tool.call': { scope: 'rooms:write', reviewer: 'ok', payload: { key: 'k', tool: 'shout', input: { text: 'x' } }, foreign: 'NOT_FOUND' },
  'tool.cancel': { scope: 'rooms:write', reviewer: 'ok', payload: {}, foreign: 'NOT_FOUND' },
  'agent.tool.stream': { scope: 'tools', reviewer: 'PERMISSION_DENIED', payload: { seq: 1, chunk: 'x' }, foreign: 'NOT_FOUND' },
  'agent.tool.result': { scope: 'tools', reviewer: 'PERMISSION_DENIED', payload: { status: 'succeeded' }, foreign: 'NOT_FOUND' },
  'contract.end': { scope: 'rooms:write', reviewer: 'ok', payload: { key: 'k', outcome: 'x' }, foreign: 'NOT_FOUND' },
  typing: { scope: 'rooms:write', reviewer: 'ok', payload: {}, foreign: 'NOT_FOUND' },
  'cursor.set': { scope: 'rooms:read', reviewer: 'ok', payload: { seq: 1 }, foreign: 'NOT_FOUND' },
}

describe('tenancy', () => {
  let stage: Stage
  let call_id: string
  let key_id: string
  let revoked: string
  let expired: string
  let narrow: Record<'tools' | 'rooms:read', string>
  let otherAgent: Person
  let otherUser: Person
  let reviewer: Person
  let clients: Client[]

  before(async () => {
    stage = await setStage()
    const { hub, provider } = stage
    call_id = await stage.call('theirs')
    const issue = async (body: object, bearer = provider.bearer, id = provider.id) =>
      (await api<{ api_key: string; key_id: string }>(hub, 'POST', `/agents/${id}/keys`, { body, bearer })).body
    const gone = await issue({})
    revoked = gone.api_key
    key_id = gone.key_id
    await api(hub, 'DELETE', `/agents/${provider.id}/keys/${key_id}`, { bearer: hub.operator_token })
    const old = await issue({})
    expired = old.api_key
    const database = await openDatabaseOf(hub)
    const expires_at = new Date(stage.clock.now())
    await database.collection<{ _id: string }>('agent_keys').updateOne({ _id: old.key_id }, { $set: { expires_at } })
    await database.close()
    narrow = { tools: (await issue({ scopes: ['tools'] })).api_key, 'rooms:read': (await issue({ scopes: ['rooms:read'] })).api_key }
    otherAgent = await registerAgent(hub, 'Other')
    otherUser = await signUp(hub, ['requester', 'provider'])
    reviewer = await signUp(hub, ['reviewer'])
    // A user of its own, for the routes end the sessions of the other one.
    clients = await Promise.all([connectAs(hub, otherAgent), connectAs(hub, await signUp(hub))])
  })
  after(async () => {
    for (const client of clients) client.close()
    await stage.close()
  })

  /** The victim's own ids in the path and the body. */
  async function ask(route: string, bearer?: string) {
    const [method = '', path = ''] = route.split(' ')
    const { provider, requester, contract_id, hub } = stage
    const of = path.startsWith('/agents') ? provider.id : path.startsWith('/users') ? requester.id : contract_id
    const filled = path.replace(':key_id', key_id).replace(':call_id', call_id).replace(':id', of)
    const text = JSON.stringify(routes[route]?.body ?? {})
      .replace('"requester"', `"${requester.id}"`)
      .replace('"agent"', `"${provider.id}"`)
    const query = filled.endsWith('/search') ? '?q=hello' : ''
    const body = method === 'GET' || method === 'DELETE' ? {} : { body: JSON.parse(text) }
    const answer = await api<{ facts?: object }>(hub, method, filled + query, { ...body, ...(bearer === undefined ? {} : { bearer }) })
    // Beside the path that was asked for, which is said again.
    return { ...answer, text: JSON.stringify({ ...answer.body, instance: '' }) }
  }

  it('[TEN-1] every route and every frame has its row', () => {
    expect(Object.keys(routes).toSorted()).to.deep.equal([...new Set(stage.hub.routes)].toSorted())
    expect(Object.keys(frames).toSorted()).to.deep.equal(frameTypes.toSorted())
  })

  for (const [route, { who, scope }] of Object.entries(routes)) {
    it(`[TEN-2] ${route}: nothing for who shows nothing, or what has ended`, async () => {
      for (const bearer of [undefined, revoked, expired, 'op_guessed']) {
        const { status, text } = await ask(route, bearer)
        if (who === 'public') expect(status).to.be.below(400)
        else if (who === 'open') expect(status).to.be.oneOf([400, 401, 403, 202, 204])
        else expect(status, String(bearer?.slice(0, 8))).to.equal(401)
        expect(text).not.to.include(stage.contract_id)
      }
    })

    if (who === 'public' || who === 'open') continue
    it(`[TEN-3] ${route}: another tenant's agent and user, and a wrong role`, async () => {
      for (const { bearer } of [otherAgent, otherUser]) {
        const { status, text } = await ask(route, bearer)
        if (who === 'operator') expect(status).to.equal(403)
        else if (who !== 'own') expect(status).to.be.oneOf(route.endsWith('/claim') ? [403, 404] : [who])
        expect(status).to.be.below(500)
        expect(text).not.to.include(stage.contract_id)
      }
    })

    if (scope === undefined) continue
    it(`[TEN-4] ${route}: a key without the scope ${scope}`, async () => {
      const { status, body } = await ask(route, scope === 'rooms:read' ? narrow.tools : narrow['rooms:read'])
      expect([status, body.facts]).to.deep.equal([403, { scope }])
    })
  }

  it('[TEN-5] no connection for who shows nothing, or what has ended', async () => {
    for (const auth of [{}, { key: revoked }, { key: expired }, { token: 'op_guessed' }]) {
      const refused = await connectAs(stage.hub, { auth: auth as never }).then(
        () => 'let in',
        (error: { data?: { code: string } }) => error.data?.code,
      )
      expect(refused, JSON.stringify(auth).slice(0, 20)).to.equal('UNAUTHENTICATED')
    }
  })

  for (const [type, { scope, payload, foreign }] of Object.entries(frames)) {
    it(`[TEN-6] ${type}: another tenant's agent and user learn and change nothing`, async () => {
      const before = await stage.log()
      for (const client of clients) {
        const about = type.startsWith('agent.tool.')
          ? { call_id }
          : { contract_id: stage.contract_id, ...(type === 'tool.cancel' ? { call_id } : {}) }
        const answer = await client.askRaw(type, {
          ...(foreign === undefined || type === 'auth.refresh' || type === 'audit.follow' ? {} : about),
          ...payload,
        })
        if (foreign !== undefined) expect(codeOf(answer)).to.equal(foreign)
        expect(JSON.stringify(answer)).not.to.include(stage.contract_id)
      }
      expect(await stage.log()).to.deep.equal(before)
    })

    if (scope === null) continue
    it(`[TEN-7] ${type}: a key without the scope ${scope}`, async () => {
      const client = await connectAs(stage.hub, { auth: { key: scope === 'rooms:read' ? narrow.tools : narrow['rooms:read'] } })
      const about = { contract_id: stage.contract_id, call_id: randomUUID() }
      expect(await client.askRaw(type, { ...about, ...payload })).to.have.nested.property('error.facts.scope', scope)
      client.close()
    })
  }

  for (const [route, { who, reviewer: wanted }] of Object.entries(routes)) {
    if (who === 'public' || who === 'open') continue
    it(`[TEN-8] ${route}: a reviewer gets ${wanted}`, async () => {
      expect((await ask(route, reviewer.bearer)).status).to.equal(wanted)
    })
  }

  for (const [type, { reviewer: wanted, payload }] of Object.entries(frames)) {
    it(`[TEN-8] ${type}: a reviewer gets ${wanted}`, async () => {
      const { hub, provider, requester } = stage
      // A room of its own, for some of them end things.
      const { contract_id } = await openContract(hub, { provider, requester })
      const client = await connectAs(hub, await signUp(hub, ['reviewer']))
      await client.must('room.join', { contract_id })
      const call = await client.must('tool.call', { contract_id, key: 'call', tool: 'shout', input: { text: 'x' } })
      const about = type.startsWith('agent.tool.') || type === 'tool.cancel' ? { call_id: call.call_id } : {}
      const isOfRoom = !/^(agent|audit|auth)\./.test(type)
      const answer = await client.askRaw(type, { ...(isOfRoom ? { contract_id } : {}), ...about, ...payload })
      expect(codeOf(answer)).to.equal(wanted)
      client.close()
    })
  }
})
