import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { defaultLimits } from '../../../shared/protocol/index.ts'
import { api, type Person, registerAgent, signUp } from '../../harness/people.ts'
import { type Stage, setStage } from '../stage.ts'

interface Problem {
  status: number
  code: string
  errors?: { pointer: string }[]
  facts?: Record<string, unknown>
  correlation_id: string
}

/** The HTTP routes and what should not be sent to them. */
describe('bad input: HTTP', () => {
  let stage: Stage
  let stranger: Person

  before(async () => {
    stage = await setStage()
    stranger = await signUp(stage.hub, ['requester'], 'Eve')
  })

  afterEach(() => stage.mustBeSound())
  after(() => stage.close())

  async function send(path: string, init: RequestInit & { bearer?: string } = {}) {
    const { bearer = stage.hub.operator_token, ...rest } = init
    const headers = { authorization: `Bearer ${bearer}`, ...(rest.headers as Record<string, string>) }
    const response = await fetch(stage.hub.url + path, { ...rest, headers })
    const problem = (await response.json()) as Problem
    expect(response.headers.get('content-type')).to.match(/^application\/problem\+json/)
    expect(problem).to.include({ status: response.status, type: `urn:parley:error:${problem.code}`, instance: path.split('?')[0] })
    expect(problem.correlation_id).to.equal(response.headers.get('x-correlation-id'))
    expect(JSON.stringify(problem)).not.to.match(/node_modules|\.ts:\d|at \w+ \(/)
    return { problem, headers: response.headers }
  }

  const json = { 'content-type': 'application/json' }
  const badBodies: [string, number, string, RequestInit][] = [
    ['malformed JSON', 400, 'REQUEST_INVALID', { headers: json, body: '{"title":' }],
    ['no body', 400, 'REQUEST_INVALID', {}],
    ['null', 400, 'REQUEST_INVALID', { headers: json, body: 'null' }],
    ['a list', 400, 'REQUEST_INVALID', { headers: json, body: '[]' }],
    ['deep JSON', 400, 'REQUEST_INVALID', { headers: json, body: '['.repeat(20_000) + ']'.repeat(20_000) }],
    ['half a surrogate pair', 400, 'REQUEST_INVALID', { headers: json, body: '{"title":"\\ud83d"}' }],
    ['another content type', 415, 'MEDIA_TYPE_UNSUPPORTED', { headers: { 'content-type': 'text/plain' }, body: '{}' }],
    ['a form', 415, 'MEDIA_TYPE_UNSUPPORTED', { body: new URLSearchParams({ title: 'x' }) }],
    ['another charset', 415, 'MEDIA_TYPE_UNSUPPORTED', { headers: { 'content-type': 'application/json; charset=latin1' }, body: '{}' }],
    ['an unknown encoding', 415, 'MEDIA_TYPE_UNSUPPORTED', { headers: { ...json, 'content-encoding': 'zip' }, body: '{}' }],
    ['broken gzip', 400, 'REQUEST_INVALID', { headers: { ...json, 'content-encoding': 'gzip' }, body: 'no gzip' }],
    ['a body that is too large', 413, 'FRAME_TOO_LARGE', { headers: json, body: JSON.stringify({ title: 'x'.repeat(300_000) }) }],
  ]
  for (const [what, status, code, init] of badBodies) {
    it(`[BAD-31] POST with ${what} is ${status} ${code}`, async () => {
      const { problem } = await send('/contracts', { method: 'POST', ...init })
      expect(problem).to.include({ status, code })
      if (code === 'REQUEST_INVALID') expect(problem.errors?.[0]).to.have.keys('pointer', 'detail')
      if (code === 'FRAME_TOO_LARGE') expect(problem.facts).to.have.property('frame_bytes', defaultLimits.frame_bytes)
    })
  }

  it('[BAD-32] an unknown route is 404, a method that it has not 405 with Allow', async () => {
    expect((await send('/contract')).problem).to.include({ status: 404, code: 'ROUTE_UNKNOWN' })
    expect((await send('/contracts/%E0%A4%A')).problem).to.include({ status: 400 })
    expect((await send(`/contracts/${'x'.repeat(5_000)}/events`)).problem).to.include({ status: 404, code: 'NOT_FOUND' })
    for (const [path, allow] of [
      ['/contracts', 'POST, GET, HEAD, OPTIONS'],
      [`/contracts/${stage.contract_id}`, 'GET, HEAD, OPTIONS'],
      ['/health', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const { problem, headers } = await send(path, { method: 'DELETE' })
      expect(problem).to.include({ status: 405, code: 'METHOD_NOT_ALLOWED' })
      expect(headers.get('allow')).to.equal(allow)
    }
  })

  const badQueries = [
    ['', 'limit', ['0', '201', 'abc', '-1', '1.5', '1e9', 'NaN', '', '5&limit=6']],
    ['', 'offset', ['-1', 'x', '1000001']],
    ['', 'state', ['closed']],
    ['/:id/events', 'limit', ['0', '501', 'abc']],
    ['/:id/events', 'after', ['-1', 'abc', '1e400', '99999999999999999999']],
    ['/:id/search', 'limit', ['0', '201', 'abc']],
    ['/:id/search', 'q', ['', '%20', '!!!', 'x'.repeat(201)]],
  ] as const
  for (const [path, name, values] of badQueries) {
    for (const value of values) {
      it(`[BAD-33] GET /contracts${path}?${name}=${value.slice(0, 12)} is 400 with a pointer`, async () => {
        const query = `${name === 'limit' && path.endsWith('search') ? 'q=x&' : ''}${name}=${value}`
        const { problem } = await send(`/contracts${path.replace(':id', stage.contract_id)}?${query}`)
        expect(problem).to.include({ status: 400, code: 'REQUEST_INVALID' })
        expect(problem.errors?.[0]?.pointer).to.equal(`/${name}`)
      })
    }
  }

  const routes = ['', '/events', '/search?q=word', '/log/verify', '/calls/:call_id/text']

  it('[BAD-34] a foreign contract is 404 on every route, like one that is not there and an id that is none', async () => {
    const call_id = await stage.call('foreign-http')
    await stage.agent.must('agent.tool.stream', { call_id, seq: 1, chunk: 'secret' })
    for (const route of routes) {
      const of = async (id: string) => {
        const { problem } = await send(`/contracts/${id}${route.replace(':call_id', call_id)}`, { bearer: stranger.bearer })
        return { ...problem, instance: '', correlation_id: '' }
      }
      const foreign = await of(stage.contract_id)
      expect(foreign).to.include({ status: 404, code: 'NOT_FOUND' })
      expect(await of(randomUUID())).to.deep.equal(foreign)
      expect(await of('1')).to.deep.equal(foreign)
    }
    await stage.agent.must('agent.tool.result', { call_id, status: 'succeeded' })
  })

  it('[BAD-35] without credentials, or with bad ones, every route is 401 with WWW-Authenticate', async () => {
    const attempts = [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: 'Basic YTpi' },
      { authorization: 'Bearer' },
      { authorization: '' },
    ]
    for (const headers of attempts) {
      for (const path of ['/contracts', '/me', ...routes.map((route) => `/contracts/${stage.contract_id}${route}`)]) {
        const response = await fetch(stage.hub.url + path, { headers })
        expect(response.status, path).to.equal(401)
        expect(response.headers.get('www-authenticate')).to.match(/^Bearer /)
      }
    }
    const posted = await fetch(`${stage.hub.url}/contracts`, { method: 'POST', headers: json, body: '{}' })
    expect(posted.status).to.equal(401)
  })

  it('[BAD-36] a contract is opened by the operator or its requester, between two who exist and differ', async () => {
    const { requester, provider, hub } = stage
    const open = (body: object, bearer: string) => api<Problem>(hub, 'POST', '/contracts', { body: { title: 'x', ...body }, bearer })
    const parties = { requester_id: requester.id, provider_id: provider.id }
    for (const bearer of [stranger.bearer, provider.bearer]) {
      expect((await open(parties, bearer)).body).to.include({ status: 403, code: 'PERMISSION_DENIED' })
    }
    const pointersOf = async (body: object) => {
      const { body: problem } = await open(body, hub.operator_token)
      expect(problem).to.include({ status: 400, code: 'REQUEST_INVALID' })
      return problem.errors?.map(({ pointer }) => pointer)
    }
    const nobody = randomUUID()
    expect(await pointersOf({ ...parties, requester_id: nobody })).to.deep.equal(['/requester_id'])
    expect(await pointersOf({ requester_id: nobody, provider_id: randomUUID() })).to.deep.equal(['/requester_id', '/provider_id'])
    expect(await pointersOf({ requester_id: requester.id, provider_id: requester.id })).to.deep.equal(['/provider_id'])
    expect(await pointersOf({ ...parties, title: '' })).to.deep.equal(['/title'])
    expect(await pointersOf({ ...parties, title: 'x'.repeat(301) })).to.deep.equal(['/title'])
    expect(await pointersOf({ ...parties, permissions: { can_fly: true } })).to.deep.equal(['/permissions/can_fly'])
    expect(await pointersOf({ ...parties, value: { amount_micros: '-1', currency: 'EUR' } })).to.deep.equal(['/value/amount_micros'])
    const agent = await registerAgent(hub)
    expect((await open({ requester_id: requester.id, provider_id: agent.id }, requester.bearer)).status).to.equal(201)
  })
})
