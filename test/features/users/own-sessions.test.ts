import { expect } from 'chai'
import { type Credentials, type IdentityHub, type Json, MINUTE_MS, NOBODY, startIdentityHub } from '../identity/identity-hub.ts'

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'

describe('the sessions of a user', () => {
  let hub: IdentityHub

  before(async () => {
    hub = await startIdentityHub()
  })
  after(() => hub.close())

  const cookieOf = async (email: string, agent = CHROME): Promise<Credentials> => ({
    cookie: hub.cookieIn(await hub.post('/sessions/browser', { email, password: 'correct horse battery' }, { agent })),
  })
  const listed = async (as: Credentials) => (await hub.ask('GET', '/sessions', as)).body as { items: Json[]; total: number }

  it('[USER-2] one sees the sessions that are one’s own: of what kind, by what, since when, last used when, and which one is asking', async () => {
    const { email } = await hub.newUser()
    await hub.signedIn((await hub.newUser()).email)
    const began = new Date(hub.clock.now()).toISOString()
    const browser = await cookieOf(email)
    hub.clock.advance(MINUTE_MS)
    const program = (await hub.signIn(email, undefined, { agent: 'curl/8.5.0' })).body
    hub.clock.advance(14 * MINUTE_MS)
    await hub.ask('GET', '/me', browser)
    const { items, ...page } = await listed({ bearer: String(program['access_token']) })
    const month_ms = 30 * 86_400_000
    const at = (minutes: number) => new Date(Date.parse(began) + minutes * MINUTE_MS).toISOString()
    const ends = (minutes: number) => new Date(Date.parse(began) + minutes * MINUTE_MS + month_ms).toISOString()
    expect(items.map(({ session_id: _, ...item }) => item)).to.deep.equal([
      { kind: 'token', device: 'curl/8.5.0', created_at: at(1), last_used_at: at(1), expires_at: ends(1), current: true },
      { kind: 'browser', device: 'Chrome 126 on Linux', created_at: began, last_used_at: at(15), expires_at: ends(15), current: false },
    ])
    expect(page).to.deep.equal({ total: 2, limit: 50, offset: 0 })
    const second = await hub.ask('GET', '/sessions?limit=1&offset=1', browser)
    expect((second.body['items'] as Json[]).map(({ kind, current }) => [kind, current])).to.deep.equal([['browser', true]])
    expect((await hub.ask('GET', '/sessions', { bearer: String((await hub.newAgent())['api_key']) })).status).to.equal(403)
  })

  it('[USER-3] a session that is ended ends at once with its access token and its refresh token; a foreign one is not found', async () => {
    const [{ email }, stranger] = [await hub.newUser(), await hub.signedIn((await hub.newUser()).email)]
    const [lost, kept] = [(await hub.signIn(email)).body, await hub.signedIn(email)]
    const asLost = { bearer: String(lost['access_token']) }
    const { items } = await listed(asLost)
    const path = `/sessions/${items.find(({ current }) => current)?.['session_id']}`
    for (const id of [NOBODY, 'no-id', '$ne']) expect((await hub.ask('DELETE', `/sessions/${id}`, kept)).status).to.equal(404)
    expect((await hub.ask('DELETE', path, stranger)).status).to.equal(404)
    expect((await hub.ask('GET', '/me', asLost)).status).to.equal(200)
    expect((await hub.ask('DELETE', path, kept)).status).to.equal(204)
    expect((await hub.ask('GET', '/me', asLost)).status).to.equal(401)
    expect((await hub.post('/sessions/refresh', { refresh_token: lost['refresh_token'] })).status).to.equal(401)
    expect((await hub.ask('DELETE', path, kept)).status).to.equal(404)
    expect((await hub.ask('GET', '/me', kept)).status).to.equal(200)
  })

  it('[USER-3] signing out ends the session that asks, of a browser or a program; a key and the operator’s token have none', async () => {
    const { email } = await hub.newUser()
    for (const as of [await cookieOf(email), await hub.signedIn(email)]) {
      expect((await hub.ask('DELETE', '/sessions/current', as)).status).to.equal(204)
      expect((await hub.ask('GET', '/me', as)).status).to.equal(401)
    }
    for (const as of [hub.operator, { bearer: String((await hub.newAgent())['api_key']) }]) {
      expect((await hub.ask('DELETE', '/sessions/current', as)).body).to.include({ status: 404, code: 'NOT_FOUND' })
    }
  })

  it('[USER-4] all sessions end in one step, on every hub, with the links that would open one', async () => {
    const { email, user_id } = await hub.newUser()
    const [mate] = await hub.startMore(1)
    const link = await hub.post('/sign-in-links', { user_id }, hub.operator)
    const program = (await hub.signIn(email)).body
    const [browser, other] = [await cookieOf(email), await hub.signedIn((await hub.newUser()).email)]
    const out = await hub.ask('DELETE', '/sessions', browser)
    expect([out.status, out.headers.get('set-cookie')]).to.deep.equal([
      204,
      '__Host-parley=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0',
    ])
    const token = { bearer: String(program['access_token']), ...(mate ? { at: mate } : {}) }
    expect([(await hub.ask('GET', '/me', browser)).status, (await hub.ask('GET', '/me', token)).status]).to.deep.equal([401, 401])
    expect((await hub.post('/sessions/refresh', { refresh_token: program['refresh_token'] })).status).to.equal(401)
    expect((await hub.redeem(String(link.body['url']).split('#token=')[1])).status).to.equal(401)
    expect((await hub.ask('GET', '/me', other)).status).to.equal(200)
    expect((await listed(await hub.signedIn(email))).total).to.equal(1)
  })

  it('[USER-4] all others end in one step, and the one that asks goes on', async () => {
    const { email } = await hub.newUser()
    const programs = [(await hub.signIn(email)).body, (await hub.signIn(email)).body]
    const [kept, stranger] = [await cookieOf(email), await hub.signedIn((await hub.newUser()).email)]
    const tokens = programs.map(({ access_token }) => ({ bearer: String(access_token) }))
    for (const query of ['?keep=all', '?others=1']) expect((await hub.ask('DELETE', `/sessions${query}`, kept)).status).to.equal(400)
    expect((await listed(kept)).total).to.equal(3)
    const answer = await hub.ask('DELETE', '/sessions?keep=current', kept)
    expect([answer.status, answer.headers.get('set-cookie')]).to.deep.equal([204, null])
    for (const as of tokens) expect((await hub.ask('GET', '/me', as)).status).to.equal(401)
    for (const { refresh_token } of programs) expect((await hub.post('/sessions/refresh', { refresh_token })).status).to.equal(401)
    for (const as of [kept, stranger]) expect((await hub.ask('GET', '/me', as)).status).to.equal(200)
    expect((await listed(kept)).items.map(({ current }) => current)).to.deep.equal([true])
    expect((await hub.ask('DELETE', '/sessions?keep=current', kept)).status).to.equal(204)
  })

  it('[USER-5] a browser signs in by address and password and gets the cookie, with the answers and the count of every other sign-in', async () => {
    const { email, user_id } = await hub.newUser()
    const signed = await hub.post('/sessions/browser', { email, password: 'correct horse battery' })
    expect([signed.status, signed.body]).to.deep.equal([200, { user_id, name: 'Ann' }])
    expect(signed.headers.get('set-cookie')).to.match(
      /^__Host-parley=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=2592000$/,
    )
    expect(signed.headers.get('cache-control')).to.equal('no-store')
    expect((await hub.ask('GET', '/me', { cookie: hub.cookieIn(signed) })).body).to.include({ id: user_id })
    const from = '127.0.0.50'
    const wrong = await hub.post('/sessions/browser', { email, password: 'wrong' }, { from })
    expect([wrong.status, wrong.body['code'], wrong.headers.get('set-cookie')]).to.deep.equal([401, 'UNAUTHENTICATED', null])
    const more = await Promise.all(Array.from({ length: 10 }, () => hub.signIn(email, 'wrong', { from })))
    expect(more.map(({ status }) => status).sort()).to.deep.equal([...Array(9).fill(401), 429])
  })
})
