import { expect } from 'chai'
import { type Answer, type IdentityHub, type Json, NOBODY, startIdentityHub } from '../identity/identity-hub.ts'

describe('the users, as an operator sees them', () => {
  let hub: IdentityHub

  before(async () => {
    hub = await startIdentityHub()
  })
  after(() => hub.close())

  const get = (path: string) => hub.ask('GET', path, hub.operator)
  const patch = (id: unknown, body: Json, as = hub.operator) => hub.ask('PATCH', `/users/${id}`, { body, ...as })
  const idsIn = ({ body }: Answer) => (body['items'] as Json[]).map(({ user_id }) => user_id)

  it('[USER-13] users are listed newest first, page by page and by status, without what they sign in with', async () => {
    const made = []
    for (let turn = 0; turn < 3; turn += 1) {
      hub.clock.advance(1_000)
      made.push(await hub.newUser())
    }
    hub.clock.advance(1_000)
    const invited = await hub.post('/invitations', { email: hub.newEmail(), name: 'Bea', roles: ['provider'] }, hub.operator)
    const all = await get('/users')
    expect(all.body).to.include({ total: 5, limit: 50, offset: 0 })
    const [, , , first, operator] = all.body['items'] as Json[]
    expect(operator).to.include({ name: 'Operator', built_in: 'operator', status: 'active' })
    const { user_id, email } = made[0] ?? {}
    expect(first).to.deep.equal({
      ...{
        user_id,
        email,
        name: 'Ann',
        roles: ['requester'],
        status: 'active',
        created_at: new Date(hub.clock.now() - 3_000).toISOString(),
      },
    })
    expect((await get(`/users/${user_id}`)).body).to.deep.equal(first)
    expect(idsIn(await get('/users?limit=2&offset=2'))).to.deep.equal([made[1]?.user_id, made[0]?.user_id])
    const waiting = await get('/users?status=invited')
    expect([idsIn(waiting), waiting.body['total']]).to.deep.equal([[invited.body['user_id']], 1])
    for (const query of ['limit=0', 'limit=201', 'offset=-1', 'status=gone', 'status[$ne]=active']) {
      expect((await get(`/users?${query}`)).status, query).to.equal(400)
    }
    expect((await get(`/users/${NOBODY}`)).status).to.equal(404)
  })

  it('[USER-14] a change of name or roles counts from the next request on; fields that may not be changed are refused', async () => {
    const { email, user_id } = await hub.newUser()
    const as = await hub.signedIn(email)
    expect((await hub.ask('GET', '/users', as)).status).to.equal(403)
    const changed = await patch(user_id, { name: ' Anna ', roles: ['admin', 'reviewer', 'admin'] })
    expect(changed.body).to.deep.include({ user_id, name: 'Anna', roles: ['admin', 'reviewer'], status: 'active' })
    expect((await hub.ask('GET', '/users', as)).status).to.equal(200)
    expect((await hub.ask('GET', '/me', as)).body).to.deep.include({ name: 'Anna', roles: ['admin', 'reviewer'] })
    await patch(user_id, { roles: ['requester'] })
    expect((await hub.ask('GET', '/users', as)).status).to.equal(403)
    for (const body of [
      { email: 'x@example.org' },
      { password_hash: 'x' },
      { roles: [] },
      { roles: ['king'] },
      { status: 'invited' },
      { name: '' },
    ]) {
      expect((await patch(user_id, body)).status, JSON.stringify(body)).to.equal(400)
    }
    expect((await patch(user_id, {}, as)).status).to.equal(403)
    expect((await patch(NOBODY, { name: 'X' })).status).to.equal(404)
  })

  it('[USER-14] who names what it has seen changes that, and nothing else', async () => {
    const { user_id } = await hub.newUser()
    const etag = (await get(`/users/${user_id}`)).headers.get('etag') ?? ''
    const edit = (name: string, match: string) => hub.ask('PATCH', `/users/${user_id}`, { body: { name }, match, ...hub.operator })
    const raced = await Promise.all(['Bea', 'Cleo', 'Dora', 'Eva'].map((name) => edit(name, etag)))
    expect(raced.map(({ status }) => status).sort()).to.deep.equal([200, 412, 412, 412])
    const won = raced.find(({ status }) => status === 200)
    expect((await get(`/users/${user_id}`)).body).to.deep.equal(won?.body)
    expect((await edit('Flora', won?.headers.get('etag') ?? '')).status).to.equal(200)
  })

  it('[USER-15] who is disabled is signed out everywhere at once, and signs in no more until enabled; links of before stay spent', async () => {
    const { email, user_id } = await hub.newUser()
    const { access_token, refresh_token } = (await hub.signIn(email)).body
    const link = String((await hub.post('/sign-in-links', { user_id }, hub.operator)).body['url']).split('#token=')[1]
    expect((await patch(user_id, { status: 'disabled' })).body['status']).to.equal('disabled')
    expect((await hub.me(access_token)).status).to.equal(401)
    expect((await hub.post('/sessions/refresh', { refresh_token })).status).to.equal(401)
    expect((await hub.signIn(email)).body).to.include({ status: 401, code: 'UNAUTHENTICATED' })
    expect((await hub.redeem(link)).status).to.equal(401)
    const refused = await hub.post('/sign-in-links', { user_id }, hub.operator)
    expect(refused.body).to.include({ status: 409, code: 'USER_STATUS' })
    expect((await patch(user_id, { status: 'active' })).body['status']).to.equal('active')
    expect([(await hub.me(access_token)).status, (await hub.redeem(link)).status]).to.deep.equal([401, 401])
    expect((await hub.signIn(email)).status).to.equal(200)
  })

  it('[USER-16] the hub’s own admin is neither disabled nor stripped, so a hub is never without one, whoever disables whom at once', async () => {
    const operator = (await hub.me(hub.operator.bearer)).body['id']
    for (const body of [{ status: 'disabled' }, { roles: ['reviewer'] }, { name: 'X', status: 'disabled' }]) {
      expect((await patch(operator, body)).body, JSON.stringify(body)).to.include({ status: 409, code: 'OPERATOR_KEPT' })
    }
    expect((await patch(operator, { roles: ['reviewer', 'admin'] })).status).to.equal(200)
    const admins = await Promise.all([hub.newUser(), hub.newUser()])
    for (const { user_id } of admins) await patch(user_id, { roles: ['admin'] })
    const as = await Promise.all(admins.map(({ email }) => hub.signedIn(email)))
    await Promise.all(admins.map(({ user_id }, turn) => patch(user_id, { status: 'disabled' }, as[1 - turn])))
    const { body } = await get('/users?status=active')
    expect((body['items'] as { roles: string[] }[]).filter(({ roles }) => roles.includes('admin'))).to.not.deep.equal([])
    expect((await hub.me(hub.operator.bearer)).status).to.equal(200)
  })
})
