import { expect } from 'chai'
import { ConfigError, readConfig } from '../../../server/settings/config.ts'
import { csrfOf } from '../../harness/csrf-of.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, connectAs, registerAgent, signUp } from '../../harness/people.ts'

const FRIEND = 'https://desk.example'

describe('browsers', () => {
  let hub: TestHub

  before(async () => {
    hub = await startHub({ cors_origins: [FRIEND, 'http://localhost:5173'] })
  })
  after(() => hub.close())

  async function signIn(): Promise<string> {
    const link = await api<{ url: string }>(hub, 'POST', '/sign-in-links', { body: {}, bearer: hub.operator_token })
    const token = new URL(link.body.url).hash.slice('#token='.length)
    const { headers } = await api(hub, 'POST', '/sign-in-links/redeem', { body: { token } })
    return headers.getSetCookie()[0]?.split(';')[0] ?? ''
  }
  async function write(headers: Record<string, string>, method = 'POST', path = '/users') {
    const response = await fetch(hub.url + path, { method, headers: { 'content-type': 'application/json', ...headers }, body: '{}' })
    return { status: response.status, code: response.status === 204 ? '' : ((await response.json()) as { code: string }).code }
  }

  it("[HTTP-19] a write by cookie needs the session's token as a header; a bearer needs none", async () => {
    const [cookie, other] = [await signIn(), await signIn()]
    const [token = '', foreign = ''] = [await csrfOf(hub.url, cookie), await csrfOf(hub.url, other)]
    expect(token).to.match(/^[\w-]{43}$/)
    const own = { cookie, origin: hub.url }
    const refused = { status: 403, code: 'CSRF_TOKEN_INVALID' }
    for (const header of [undefined, '', 'x', token.slice(1), `${token} `.repeat(2), foreign]) {
      expect(await write({ ...own, ...(header === undefined ? {} : { 'x-csrf-token': header }) }), header).to.deep.equal(refused)
    }
    // What a subdomain could plant: a pair that fits together, and is of no session.
    const planted = { cookie: `${cookie}; __Host-parley-csrf=${'A'.repeat(43)}`, origin: hub.url, 'x-csrf-token': 'A'.repeat(43) }
    expect(await write(planted)).to.deep.equal(refused)
    expect(await write({ ...own, 'x-csrf-token': token })).to.deep.equal({ status: 400, code: 'REQUEST_INVALID' })
    expect(await write({ ...own, authorization: `Bearer ${hub.operator_token}` })).to.deep.equal({ status: 400, code: 'REQUEST_INVALID' })
    expect(await write(own, 'DELETE', '/sessions/current')).to.deep.equal(refused)
    expect((await write({ ...own, 'x-csrf-token': token }, 'DELETE', '/sessions/current')).status).to.equal(204)
  })

  it('[HTTP-19] the token comes as a cookie that pages of ours can read, with any read that lacks it', async () => {
    const cookie = await signIn()
    const me = (cookies: string) => fetch(`${hub.url}/me`, { headers: { cookie: cookies } })
    const [given = ''] = (await me(cookie)).headers.getSetCookie()
    expect(given).to.match(/^__Host-parley-csrf=[\w-]{43}; Path=\/; Secure; SameSite=Strict; Max-Age=\d+$/)
    expect((await me(`${cookie}; ${given.split(';')[0]}`)).headers.getSetCookie().join()).to.not.include('csrf')
    expect((await me('__Host-parley=unknown')).headers.getSetCookie().join()).to.not.include('csrf')
    const bearer = await fetch(`${hub.url}/me`, { headers: { cookie, authorization: `Bearer ${hub.operator_token}` } })
    expect(bearer.headers.getSetCookie().join()).to.not.include('csrf')
  })

  it('[HTTP-47] a page that takes itself for another than its cookie proves is refused, on routes and in the handshake', async () => {
    const cookie = await signIn()
    const own = { cookie, origin: hub.url }
    const { id } = (await (await fetch(`${hub.url}/me`, { headers: own })).json()) as { id: string }
    const statusAs = async (principal: string) =>
      (await fetch(`${hub.url}/me`, { headers: { ...own, 'x-parley-principal': principal } })).status
    expect([await statusAs(id), await statusAs('01890a5d-ac96-774b-bcce-b302099a8057'), await statusAs('')]).to.deep.equal([200, 401, 401])
    const token = (await csrfOf(hub.url, cookie)) ?? ''
    const foreign = { ...own, 'x-csrf-token': token, 'x-parley-principal': 'another' }
    expect(await write(foreign)).to.deep.equal({ status: 401, code: 'UNAUTHENTICATED' })
    const person = await signUp(hub)
    const client = await connectAs(hub, { auth: { token: person.bearer, as: person.id } as never })
    client.close()
    const refused = await connectAs(hub, { auth: { token: person.bearer, as: id } as never }).catch((error: Error) => error.message)
    expect(refused).to.equal('UNAUTHENTICATED')
  })

  it('[HTTP-20] an Origin that only looks like the own one does not count, with a token that is right', async () => {
    const cookie = await signIn()
    const token = (await csrfOf(hub.url, cookie)) ?? ''
    const { port } = new URL(hub.url)
    const alike = [
      ...['null', 'https://evil.example', `${hub.url}.evil.example`, `${hub.url}0`, `${hub.url}/`, hub.url.replace('http', 'https')],
      ...[`http://127.0.0.1:${port}@evil.example`, `http://127.0.0.1.:${port}`, `http://evil.example/?${hub.url}`, hub.url.toUpperCase()],
      ...[`http://[::ffff:127.0.0.1]:${port}`, `http://2130706433:${port}`, 'http://127.0.0.1', 'file://', FRIEND],
    ]
    for (const origin of alike) {
      expect(await write({ cookie, origin, 'x-csrf-token': token }), origin).to.deep.equal({ status: 403, code: 'ORIGIN_DENIED' })
      expect((await fetch(`${hub.url}/me`, { headers: { cookie, origin } })).status, origin).to.equal(403)
    }
    for (const origin of [hub.url, `http://localhost:${port}`]) {
      expect((await write({ cookie, origin, 'x-csrf-token': token })).status, origin).to.equal(400)
    }
  })

  it('[HTTP-21] pages of the listed origins may ask with a key, preflight first; of no others, and never with the cookie', async () => {
    const { bearer } = await registerAgent(hub)
    const ask = (origin: string) => fetch(`${hub.url}/me`, { headers: { origin, authorization: `Bearer ${bearer}` } })
    const preflight = (origin: string) =>
      fetch(`${hub.url}/contracts`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
      })
    const allowed = await ask(FRIEND)
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).to.deep.equal([200, FRIEND])
    expect(allowed.headers.get('access-control-expose-headers')).to.include('Retry-After').and.include('Idempotent-Replayed')
    expect(allowed.headers.has('access-control-allow-credentials')).to.equal(false)
    const first = await preflight(FRIEND)
    expect([first.status, await first.text(), first.headers.get('access-control-allow-origin')]).to.deep.equal([204, '', FRIEND])
    expect(first.headers.get('access-control-allow-headers')).to.include('Authorization').and.include('Idempotency-Key')
    expect(first.headers.get('access-control-allow-methods')).to.include('PATCH')
    expect(first.headers.get('access-control-max-age')).to.equal('600')
    for (const origin of [`${FRIEND}.evil.example`, 'https://DESK.example', `${FRIEND}:443`, 'http://desk.example', 'null', '*']) {
      for (const answer of [await ask(origin), await preflight(origin)]) {
        expect(answer.headers.has('access-control-allow-origin'), origin).to.equal(false)
        expect(answer.headers.get('vary'), origin).to.include('Origin')
      }
    }
  })

  it('[HTTP-21] the setting takes origins and nothing else', () => {
    const read = (PARLEY_CORS_ORIGINS: string) => readConfig({ PARLEY_CORS_ORIGINS }).cors_origins
    expect(read(`${FRIEND}, http://localhost:5173`)).to.deep.equal([FRIEND, 'http://localhost:5173'])
    for (const wrong of [
      '*',
      'https://a.example/',
      'a.example',
      'https://A.example',
      'https://a.example,',
      'null',
      'https://*.a.example',
    ]) {
      expect(() => read(wrong), wrong).to.throw(ConfigError, 'PARLEY_CORS_ORIGINS')
    }
  })

  it('[HTTP-22] every answer forbids inline script, framing, sniffing and foreign origins', async () => {
    for (const path of ['/health', '/app/', '/nowhere']) {
      const { headers } = await fetch(hub.url + path)
      expect(headers.get('content-security-policy'), path).to.include("default-src 'self'").and.include("frame-ancestors 'none'")
      expect(headers.get('content-security-policy'), path).to.not.include('unsafe-inline')
      expect(headers.get('x-content-type-options'), path).to.equal('nosniff')
      expect(headers.get('cross-origin-opener-policy'), path).to.equal('same-origin')
      expect(headers.has('x-powered-by'), path).to.equal(false)
    }
  })

  it('[HTTP-23] a development hub says so in each answer and at its start', async () => {
    const events: string[] = []
    const dev = await startHub({ dev_mode: true, onLog: (level, event) => void events.push(`${level} ${event}`) })
    try {
      const answers = await Promise.all(['/health', '/me', '/nowhere', '/app/'].map((path) => fetch(dev.url + path)))
      expect(answers.map(({ headers }) => headers.get('x-dev-mode'))).to.deep.equal(Array(4).fill('true'))
      expect(events).to.include('warn dev_mode.on')
      expect((await fetch(`${hub.url}/health`)).headers.has('x-dev-mode')).to.equal(false)
      const [theirs, ours] = [await registerAgent(dev), await registerAgent(hub)]
      expect([theirs.bearer.slice(0, 13), ours.bearer.slice(0, 14)]).to.deep.equal(['pk_agent_dev_', 'pk_agent_live_'])
      const statuses = [await hub.get('/me', theirs.bearer), await dev.get('/me', ours.bearer)].map(({ status }) => status)
      expect(statuses).to.deep.equal([401, 401])
    } finally {
      await dev.close()
    }
  })
})
