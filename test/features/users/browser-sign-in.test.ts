import { expect } from 'chai'
import { DAY_MS, type IdentityHub, identityWithoutDatabase, MINUTE_MS, NOBODY, startIdentityHub } from '../identity/identity-hub.ts'

describe('sign-in by link', () => {
  let hub: IdentityHub

  before(async () => {
    hub = await startIdentityHub()
  })
  after(() => hub.close())

  it('[ID-13] a link works once, for one of twenty that try at once; the rest hear that they need a new one', async () => {
    const { status, headers, body } = await hub.post('/sign-in-links', {}, hub.operator)
    expect([status, headers.get('cache-control')]).to.deep.equal([201, 'no-store'])
    expect(body['url']).to.match(/^http:\/\/127\.0\.0\.1:\d+\/app\/sign-in#token=[\w-]{43}$/)
    const link = String(body['url']).split('#token=')[1]
    const raced = await Promise.all(Array.from({ length: 20 }, () => hub.redeem(link)))
    expect(raced.filter((answer) => answer.status === 200)).to.have.length(1)
    expect(raced.filter((answer) => answer.headers.has('set-cookie'))).to.have.length(1)
    for (const token of [link, 'x', 'A'.repeat(43)]) {
      const refused = await hub.redeem(token)
      expect([refused.status, refused.body['code']]).to.deep.equal([401, 'UNAUTHENTICATED'])
      expect(refused.body['detail']).to.match(/new one/)
    }
  })

  it('[ID-13] a link is good for 15 minutes, and signs in the user that it was made for', async () => {
    const { user_id } = await hub.newUser()
    const made = await hub.post('/sign-in-links', { user_id }, hub.operator)
    expect(Date.parse(String(made.body['expires_at'])) - hub.clock.now()).to.be.within(14 * MINUTE_MS, 15 * MINUTE_MS)
    const late = await hub.newLink()
    hub.clock.advance(14 * MINUTE_MS)
    const redeemed = await hub.redeem(String(made.body['url']).split('#token=')[1])
    expect(redeemed.body).to.deep.equal({ user_id, name: 'Ann' })
    hub.clock.advance(MINUTE_MS)
    expect((await hub.redeem(late)).status).to.equal(401)
    expect((await hub.post('/sign-in-links', { user_id: NOBODY }, hub.operator)).status).to.equal(404)
  })

  it('[ID-13] whose link it is can be asked without using it, by nobody who does not have it', async () => {
    const { user_id } = await hub.newUser()
    const made = await hub.post('/sign-in-links', { user_id }, hub.operator)
    const token = String(made.body['url']).split('#token=')[1]
    for (let twice = 0; twice < 2; twice += 1) {
      const looked = await hub.post('/sign-in-links/look', { token })
      expect(looked.body).to.deep.include({ user_id, name: 'Ann' })
      expect(Object.keys(looked.body)).to.have.members(['user_id', 'email', 'name'])
      expect([looked.status, looked.headers.get('cache-control'), looked.headers.has('set-cookie')]).to.deep.equal([200, 'no-store', false])
    }
    expect((await hub.redeem(token)).status).to.equal(200)
    for (const spent of [token, 'x']) expect((await hub.post('/sign-in-links/look', { token: spent })).status).to.equal(401)
  })

  it('[ID-14] the cookie is bound to the host and hidden from scripts', async () => {
    const redeemed = await hub.redeem(await hub.newLink())
    const [pair, ...flags] = redeemed.headers.get('set-cookie')?.split('; ') ?? []
    expect(pair).to.match(/^__Host-parley=[\w-]{43}$/)
    expect(flags).to.have.members(['Path=/', 'Secure', 'HttpOnly', 'SameSite=Strict', 'Max-Age=2592000'])
    expect(redeemed.headers.get('cache-control')).to.equal('no-store')
    const { body } = await hub.ask('GET', '/me', { cookie: `theme=dark; ${pair}; last=1` })
    expect(body).to.deep.equal({ id: redeemed.body['user_id'], kind: 'user', name: redeemed.body['name'], roles: ['admin'] })
  })

  it('[ID-15] a browser session lives 30 days from its last use, and ends at once by sign-out', async () => {
    const [cookie, unused] = [await hub.newCookie(), await hub.newCookie()]
    const me = (header: string) => hub.ask('GET', '/me', { cookie: header })
    await hub.clock.pass(29 * DAY_MS)
    expect((await me(cookie)).headers.get('set-cookie')).to.match(/Max-Age=2592000$/)
    await hub.clock.pass(29 * DAY_MS)
    expect([(await me(cookie)).status, (await me(unused)).status]).to.deep.equal([200, 401])
    const out = await hub.ask('DELETE', '/sessions/current', { cookie })
    const cleared = '__Host-parley=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0'
    expect([out.status, out.headers.get('set-cookie')]).to.deep.equal([204, cleared])
    expect((await me(cookie)).status).to.equal(401)
    expect((await hub.ask('DELETE', '/sessions/current', hub.operator)).status).to.equal(404)
  })

  it('[ID-16] where browsers would drop the cookie, every sign-in of a browser is refused with the reason; a program signs in', async () => {
    const { routes } = identityWithoutDatabase({ public_url: 'http://hub.example.org:6767' })
    const asked = {
      principal: undefined,
      path: '',
      params: {},
      query: {},
      headers: {},
      ip: '',
      correlation_id: '',
      new_id: '',
      again: false,
    }
    const ask = (path: string, body: object) => {
      const route = routes.find((one) => one.path === path && one.method === 'POST')
      return route?.handle({ ...asked, body }).catch((error: Error) => error)
    }
    const byPassword = { email: 'ann@example.org', password: 'correct horse battery' }
    const byLink = { token: 'x', password: 'correct horse battery' }
    const given = {
      '/sign-in-links/redeem': { token: 'x' },
      ...{ '/invitations/redeem': byLink, '/password-resets/redeem': byLink, '/sessions/browser': byPassword },
    }
    for (const [path, body] of Object.entries(given)) {
      const refused = await ask(path, body)
      expect(refused, path).to.include({ code: 'ORIGIN_DENIED' }).and.have.property('message').that.includes('https')
    }
    expect(await ask('/sessions', byPassword), 'control: it asks the database').to.not.have.property('code', 'ORIGIN_DENIED')
  })
})
