import { expect } from 'chai'
import type { Connection } from 'mongoose'
import { type IdentityHub, identityWithoutDatabase, PASSWORD, startIdentityHub, withCheck } from './identity-hub.ts'

describe('agents and their keys', () => {
  let hub: IdentityHub

  before(async () => {
    hub = await startIdentityHub()
  })
  after(() => hub.close())

  it('[ID-1] registration gives a key of the documented shape, that no cache keeps and that works at once', async () => {
    const wallet_address = `0x${'aB'.repeat(20)}`
    const { status, headers, body } = await hub.post('/agents', { name: ' Ada ', wallet_address })
    const key = String(body['api_key'])
    expect([status, headers.get('cache-control'), body['warnings']]).to.deep.equal([201, 'no-store', []])
    expect(key).to.match(/^pk_agent_live_[0-9A-Za-z]{49}$/)
    expect(key).to.equal(withCheck(key.slice(0, -6)))
    expect((await hub.me(key)).body).to.deep.equal({ id: body['agent_id'], kind: 'agent', name: 'Ada', roles: [] })
    expect((await hub.newAgent())['warnings']).to.have.length(1)
  })

  it('[ID-2] a key with a slip, or of a hub of the other kind, is refused without asking the database', async () => {
    const { authenticate } = identityWithoutDatabase({ dev_mode: true })
    const codeOf = (key: string) => authenticate.bearer(key).catch((error: object) => ('code' in error ? error.code : 'asked the database'))
    const good = withCheck(`pk_agent_dev_${'a1B2'.repeat(11).slice(1)}`)
    const ofAnotherKind = withCheck(good.slice(0, -6).replace('_dev_', '_live_'))
    const bad = [`${good.slice(0, -1)}~`, good.replace('B2', '2B'), good.toLowerCase(), `${good}0`, ofAnotherKind, 'pk_agent_dev_']
    for (const key of bad) expect(await codeOf(key), key).to.equal('UNAUTHENTICATED')
    expect(await codeOf(good), 'control').to.equal('asked the database')
  })

  it('[ID-3] no key, password, token, link or cookie lies in the database or the log; a planted one is found', async () => {
    const { email } = await hub.newUser()
    const { access_token, refresh_token } = (await hub.signIn(email)).body
    const { api_key } = await hub.newAgent()
    const [link, cookie] = [await hub.newLink(), await hub.newCookie()]
    await hub.me(api_key)
    await hub.ask('GET', '/me', { cookie })
    await hub.connection.collection('planted').insertOne({ deep: [{ text: `has ${api_key} in it` }] })
    const stored = await everythingIn(hub.connection)
    const found = (secret: unknown) => [...stored].filter(([, text]) => text.includes(String(secret))).map(([name]) => name)
    expect(found(api_key), 'control').to.deep.equal(['planted'])
    await hub.connection.collection('planted').drop()
    for (const secret of [PASSWORD, access_token, refresh_token, link, cookie.split('=')[1], hub.operator.bearer]) {
      expect(found(secret), 'stored').to.deep.equal([])
      expect(hub.logged.filter((line) => line.includes(String(secret)))).to.deep.equal([])
    }
    expect(hub.logged.filter((line) => line.includes(String(api_key)))).to.deep.equal([])
    expect(
      hub.logged.some((line) => line.includes('/sign-in-links/redeem')),
      'control of the log',
    ).to.equal(true)
    const key = await hub.connection.collection('agent_keys').findOne({ last4: String(api_key).slice(-4) })
    expect(key?.['hash']).to.match(/^[0-9a-f]{64}$/)
    expect(key).to.include({ pepper_version: 1, status: 'active', prefix: String(api_key).slice(0, 18) })
  })

  it('[ID-4] a missing, unknown, revoked or expired credential has one and the same answer, from the next request on', async () => {
    const [revoked, expired] = [await hub.newAgent(), await hub.newAgent()]
    const keys = hub.connection.collection('agent_keys')
    expect([(await hub.me(revoked['api_key'])).status, (await hub.me(expired['api_key'])).status]).to.deep.equal([200, 200])
    await keys.updateOne({ agent_id: revoked['agent_id'] }, { $set: { status: 'revoked' } })
    await keys.updateOne({ agent_id: expired['agent_id'] }, { $set: { expires_at: new Date(hub.clock.now()) } })
    const unknown = withCheck(`pk_agent_live_${'z'.repeat(43)}`)
    const token = String(hub.operator.bearer)
    const bearers = [revoked['api_key'], expired['api_key'], unknown, 'pk_agent_live_x', `${token}x`, token.slice(1), 'a.b.c', 'x']
    const answers = [
      await hub.ask('GET', '/me'),
      await hub.ask('GET', '/me', { cookie: '__Host-parley=x' }),
      await hub.ask('GET', '/me', { cookie: `__Host-parley=${'A'.repeat(43)}` }),
      ...(await Promise.all(bearers.map((bearer) => hub.me(bearer)))),
    ].map(({ body }) => ({ ...body, correlation_id: '' }))
    expect(answers[0]).to.include({ status: 401, code: 'UNAUTHENTICATED' })
    for (const answer of answers) expect(answer).to.deep.equal(answers[0])
  })

  it('[ID-5] an agent belongs to the signed-in user who registers it; bad credentials do not make one that nobody owns', async () => {
    const [owner, stranger, requester] = [await hub.newUser(), await hub.newUser(), await hub.newUser()]
    const asOwner = await hub.signedIn(owner.email)
    const { agent_id: provider_id } = await hub.newAgent(asOwner)
    const { body } = await hub.post('/contracts', { title: 'Work', requester_id: requester.user_id, provider_id }, hub.operator)
    const path = `/contracts/${body['contract_id']}`
    expect((await hub.ask('GET', path, asOwner)).status).to.equal(200)
    expect((await hub.ask('GET', path, await hub.signedIn(stranger.email))).status).to.equal(404)
    expect((await hub.post('/agents', { name: 'Ada' }, { bearer: 'stale' })).status).to.equal(401)
  })

  it('[ID-6] a new agent may message the requester, and nothing else', async () => {
    const { agent_id } = await hub.newAgent()
    const agent = await hub.connection.collection<{ _id: string }>('agents').findOne({ _id: String(agent_id) })
    expect(agent).to.deep.include({
      owner_id: null,
      permissions: { can_read_attachments: false, can_access_web: false, can_run_code_sandbox: false, can_message_requester: true },
    })
  })
})

/** Every document of every collection as text, as an export would show it. */
async function everythingIn({ db }: Connection): Promise<Map<string, string>> {
  const names = (await db?.listCollections().toArray())?.map(({ name }) => name) ?? []
  const texts = names.map(async (name) => [name, JSON.stringify(await db?.collection(name).find().toArray())] as const)
  return new Map(await Promise.all(texts))
}
