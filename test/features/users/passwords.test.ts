import { expect } from 'chai'
import { type Credentials, type IdentityHub, PASSWORD, startIdentityHub } from '../identity/identity-hub.ts'

const NEW_PASSWORD = 'another horse, another battery'
const CHANGE = { current_password: PASSWORD, new_password: NEW_PASSWORD }

describe('changing a password', () => {
  let hub: IdentityHub

  before(async () => {
    hub = await startIdentityHub({ dear_passwords: true })
  })
  after(() => hub.close())

  const change = (as: Credentials, body: object = CHANGE) => hub.ask('PUT', '/users/me/password', { body, ...as })
  const statusOf = async (as: Credentials) => (await hub.ask('GET', '/me', as)).status
  const tokenIn = (body: Record<string, unknown>) => ({ bearer: String(body['access_token']) })

  it('[USER-6] it ends every session and link of the user at once, but for the new session in its answer', async () => {
    const { email, user_id } = await hub.newUser()
    const [mate] = await hub.startMore(1)
    const [mine, other] = [(await hub.signIn(email)).body, (await hub.signIn(email)).body]
    const browser = { cookie: hub.cookieIn(await hub.post('/sessions/browser', { email, password: PASSWORD })) }
    const [signIn, reset] = [
      await hub.post('/sign-in-links', { user_id }, hub.operator),
      await hub.post(`/users/${user_id}/password-reset-links`, undefined, hub.operator),
    ].map(({ body }) => String(body['url']).split('#token=')[1])
    const changed = await change(tokenIn(mine))
    expect([changed.status, changed.headers.get('cache-control')]).to.deep.equal([200, 'no-store'])
    const elsewhere = mate === undefined ? {} : { at: mate }
    expect(await Promise.all([tokenIn(mine), tokenIn(other), browser, { ...tokenIn(other), ...elsewhere }].map(statusOf))).to.deep.equal([
      401, 401, 401, 401,
    ])
    for (const { refresh_token } of [mine, other]) expect((await hub.post('/sessions/refresh', { refresh_token })).status).to.equal(401)
    expect((await hub.redeem(signIn)).status).to.equal(401)
    expect((await hub.post('/password-resets/redeem', { token: reset, password: 'a third password' })).status).to.equal(401)
    expect(await statusOf(tokenIn(changed.body))).to.equal(200)
    expect((await hub.post('/sessions/refresh', { refresh_token: changed.body['refresh_token'] })).status).to.equal(200)
    expect([(await hub.signIn(email)).status, (await hub.signIn(email, NEW_PASSWORD)).status]).to.deep.equal([401, 200])
  })

  it('[USER-6] a browser that changes it goes on with a new cookie', async () => {
    const { email, user_id } = await hub.newUser()
    const browser = { cookie: hub.cookieIn(await hub.post('/sessions/browser', { email, password: PASSWORD })) }
    const changed = await change(browser)
    expect([changed.status, changed.body]).to.deep.equal([200, { user_id, name: 'Ann' }])
    expect([await statusOf(browser), await statusOf({ cookie: hub.cookieIn(changed) })]).to.deep.equal([401, 200])
  })

  it('[USER-6] a sign-in by the old password that is under way when it changes is born ended', async () => {
    const { email } = await hub.newUser()
    const as = await hub.signedIn(email)
    const [changed, ...raced] = await Promise.all([change(as), ...Array.from({ length: 6 }, () => hub.signIn(email))])
    expect(changed.status).to.equal(200)
    // Each of them was refused, or its session is over: none lives on by the old password.
    for (const { status, body } of raced) expect(status === 401 ? 401 : await statusOf(tokenIn(body))).to.equal(401)
  })

  it('[USER-6] of many changes at once one is made, and the others find their session ended', async () => {
    const { email } = await hub.newUser()
    const as = await hub.signedIn(email)
    const raced = await Promise.all([1, 2, 3, 4].map((turn) => change(as, { ...CHANGE, new_password: `${NEW_PASSWORD} ${turn}` })))
    expect(raced.map(({ status }) => status).sort()).to.deep.equal([200, 401, 401, 401])
    const won = raced.findIndex(({ status }) => status === 200)
    expect((await hub.signIn(email, `${NEW_PASSWORD} ${won + 1}`)).status).to.equal(200)
  })

  it('[USER-7] it takes the current password, whose guesses are counted like those of a sign-in, and a new one of 10 characters to 72 bytes', async () => {
    const { email } = await hub.newUser()
    const as = { ...(await hub.signedIn(email)), from: '127.0.0.60' }
    const wrong = await change(as, { ...CHANGE, current_password: 'wrong' })
    expect(wrong.body).to.include({ status: 403, code: 'PASSWORD_WRONG' })
    expect(await statusOf(as), 'still signed in').to.equal(200)
    for (const new_password of ['too short', 'é'.repeat(37)]) {
      const refused = await change(as, { ...CHANGE, new_password })
      expect([refused.status, (refused.body['errors'] as { pointer: string }[])[0]?.pointer]).to.deep.equal([400, '/new_password'])
    }
    const more = await Promise.all(Array.from({ length: 10 }, () => change(as, { ...CHANGE, current_password: 'wrong' })))
    expect(more.map(({ status }) => status).sort()).to.deep.equal([...Array(9).fill(403), 429])
    expect((await change(as)).status).to.equal(429)
    expect((await hub.signIn(email, undefined, { from: '127.0.0.60' })).status).to.equal(429)
  })

  it('[USER-7] an agent has no password, and a user without one has none to change', async () => {
    expect((await change({ bearer: String((await hub.newAgent())['api_key']) })).status).to.equal(403)
    expect((await change(hub.operator)).body).to.include({ code: 'PASSWORD_WRONG' })
    expect((await change({})).status).to.equal(401)
  })
})
