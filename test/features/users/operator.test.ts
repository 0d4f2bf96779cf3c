import { expect } from 'chai'
import { type IdentityHub, type Json, PASSWORD, startIdentityHub } from '../identity/identity-hub.ts'

describe('the operator', () => {
  let hub: IdentityHub

  before(async () => {
    hub = await startIdentityHub()
  })
  after(() => hub.close())

  it('[ID-17] only an operator makes users and sign-in links, by token or signed in', async () => {
    const user = await hub.signedIn((await hub.newUser()).email)
    const agent = { bearer: String((await hub.newAgent())['api_key']) }
    for (const path of ['/users', '/sign-in-links']) {
      const refused = [await hub.post(path, {}), await hub.post(path, {}, user), await hub.post(path, {}, agent)]
      expect(
        refused.map(({ status }) => status),
        path,
      ).to.deep.equal([401, 403, 403])
    }
    expect((await hub.post('/sign-in-links', {}, { cookie: await hub.newCookie() })).status).to.equal(201)
  })

  it('[ID-18] hubs that start at once on one database have one operator, who cannot be registered again', async () => {
    const more = await hub.startMore(4)
    const headers = { authorization: `Bearer ${hub.operator.bearer}` }
    const seen = await Promise.all(more.map(async ({ url }) => (await fetch(`${url}/me`, { headers })).json()))
    const { body } = await hub.me(hub.operator.bearer)
    expect(body).to.deep.include({ kind: 'user', name: 'Operator', roles: ['admin'] })
    expect(seen).to.deep.equal(Array(4).fill(body))
    expect((await hub.newUser({ email: 'Operator@parley.invalid' })).status).to.equal(409)
  })

  it('[ID-19] a body of another type is refused with a pointer, an operator object of a query among them', async () => {
    const $ne = { $ne: null }
    const user = { email: hub.newEmail(), name: 'Ann', password: PASSWORD, roles: ['requester'] }
    const cases: [string, Json, string][] = [
      ['/sessions', { email: $ne, password: PASSWORD }, '/email'],
      ['/sessions', { email: 'a@example.org', password: $ne }, '/password'],
      ['/sessions/refresh', { refresh_token: $ne }, '/refresh_token'],
      ['/sign-in-links/redeem', { token: $ne }, '/token'],
      ['/sign-in-links', { user_id: $ne }, '/user_id'],
      ['/agents', { name: ['Ada'] }, '/name'],
      ['/agents', { name: 'Ada', wallet_address: '0x1' }, '/wallet_address'],
      ['/users', { ...user, roles: ['king'] }, '/roles/0'],
      ['/users', { ...user, password: 'é'.repeat(37) }, '/password'],
    ]
    for (const [path, body, pointer] of cases) {
      const refused = await hub.post(path, body, hub.operator)
      const pointers = (refused.body['errors'] as { pointer: string }[] | undefined)?.map((error) => error.pointer)
      expect([refused.status, refused.body['code'], pointers]).to.deep.equal([400, 'REQUEST_INVALID', [pointer]])
    }
  })
})
