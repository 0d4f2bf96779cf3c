import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { connectAs, openContract, type Person } from '../../harness/people.ts'
import { codeOf, until } from '../../scenarios/stage.ts'
import { type Issued, type KeysStage, setKeysStage } from './keys-stage.ts'

interface Listed {
  key_id: string
  name: string | null
  status: string
  last_used_at: string | null
  uses: number
  ended?: { reason: string }
}

describe('keys of an agent', () => {
  let stage: KeysStage
  let agent: Person

  before(async () => {
    stage = await setKeysStage()
  })
  beforeEach(async () => {
    agent = await stage.newAgent()
  })
  after(() => stage.close())

  const listed = async (as: Person = agent): Promise<Listed[]> =>
    (await stage.ask<{ items: Listed[] }>('GET', `/agents/${agent.id}/keys`, as)).body.items

  it('[KEY-1] an agent, its owner and an admin issue keys; a reviewer only sees and revokes them; to others there is no such agent', async () => {
    const [owner, reviewer, eve, other] = [await stage.user(), await stage.user(['reviewer']), await stage.user(), await stage.newAgent()]
    await stage.ask('POST', `/agents/${agent.id}/claim`, owner, { api_key: agent.bearer })
    for (const as of [agent, owner, stage.admin]) {
      const { status, body, headers } = await stage.ask<Record<string, unknown>>('POST', `/agents/${agent.id}/keys`, as, { name: 'Night' })
      expect([status, headers.get('cache-control')]).to.deep.equal([201, 'no-store'])
      expect(Object.keys(body).toSorted()).to.deep.equal(['api_key', 'expires_at', 'key_id', 'last4', 'prefix', 'scopes'])
      expect(body).to.deep.include({ scopes: ['*'], expires_at: null, last4: String(body['api_key']).slice(-4) })
      expect(await stage.tried({ api_key: String(body['api_key']) })).to.equal(200)
    }
    const issue = (as: Person, id = agent.id) => stage.ask('POST', `/agents/${id}/keys`, as, {})
    expect((await issue(reviewer)).status).to.equal(403)
    const named = (await listed(reviewer)).filter(({ name }) => name === 'Night')
    expect(named).to.have.length(3)
    expect((await stage.ask('DELETE', `/agents/${agent.id}/keys/${named[0]?.key_id}`, reviewer)).status).to.equal(204)
    for (const stranger of [eve, other]) {
      const [foreign, unknown] = [await issue(stranger), await issue(stranger, randomUUID())]
      expect(foreign.status).to.equal(404)
      expect({ ...foreign.body, instance: '', correlation_id: '' }).to.deep.equal({ ...unknown.body, instance: '', correlation_id: '' })
    }
  })

  it('[KEY-2] a key calls what its scopes cover, by HTTP and by frame, and a refusal names the missing one', async () => {
    const { contract_id } = await openContract(stage.hub, { provider: agent })
    const reader = await stage.issue(agent, { scopes: ['rooms:read'] })
    const as = { bearer: reader.api_key }
    expect((await stage.ask('GET', `/contracts/${contract_id}`, as)).status).to.equal(200)
    for (const [method, path, scope] of [
      ['GET', `/agents/${agent.id}/keys`, 'keys'],
      ['PATCH', `/agents/${agent.id}`, 'agent'],
      ['POST', '/contracts', 'rooms:write'],
    ] as const) {
      const { status, body } = await stage.ask<{ code: string; facts: object }>(method, path, as, method === 'GET' ? undefined : {})
      expect([status, body.code, body.facts]).to.deep.equal([403, 'PERMISSION_DENIED', { scope }])
    }
    const client = await connectAs(stage.hub, { auth: { key: reader.api_key } })
    await client.must('agent.hello', { protocol: 1, agent: { name: 'reader', version: '1' } })
    await client.must('room.join', { contract_id })
    for (const [type, payload, scope] of [
      ['message.post', { contract_id, key: 'k', body: 'hello' }, 'rooms:write'],
      ['agent.tools.register', { tools: [] }, 'tools'],
    ] as const) {
      expect(await client.askRaw(type, payload)).to.have.nested.property('error.facts.scope', scope)
    }
    client.close()
  })

  it('[KEY-3] a key hands on no more than it has: neither by issuing, nor by rotating one that has more', async () => {
    const first = await stage.firstKeyOf(agent)
    const narrow = await stage.issue(agent, { scopes: ['keys', 'rooms:read'] })
    const as = { bearer: narrow.api_key }
    for (const scopes of [['*'], ['rooms:read', 'rooms:write']]) {
      const { status, body } = await stage.ask<{ facts: { scope: string } }>('POST', `/agents/${agent.id}/keys`, as, { scopes })
      expect([status, body.facts.scope]).to.deep.equal([403, scopes.at(-1)])
    }
    const rotated = await stage.ask('POST', `/agents/${agent.id}/keys/${first}/rotations`, as, { grace_period_s: 0 })
    expect(rotated.status).to.equal(403)
    expect(await stage.tried({ api_key: agent.bearer }), 'the wider key goes on').to.equal(200)
    expect((await stage.issue(agent, {}, as)).scopes, 'without a wish, what the key in hand has').to.deep.equal(['keys', 'rooms:read'])
    const self = await stage.rotate(agent, narrow.key_id, { grace_period_s: 0 }, as)
    expect(self.scopes).to.deep.equal(narrow.scopes)
  })

  it('[KEY-17] a key that ends hands on none that ends later: neither by issuing, nor by rotating one that does', async () => {
    const first = await stage.firstKeyOf(agent)
    const at = (ms: number) => new Date(stage.clock.now() + ms).toISOString()
    const [sooner, end, later] = [at(60_000), at(120_000), at(180_000)]
    const short = await stage.issue(agent, { expires_at: end })
    const as = { bearer: short.api_key }
    for (const expires_at of [later, null]) {
      const { status, body } = await stage.ask<{ code: string }>('POST', `/agents/${agent.id}/keys`, as, { expires_at })
      expect([status, body.code], String(expires_at)).to.deep.equal([403, 'PERMISSION_DENIED'])
    }
    expect((await stage.issue(agent, {}, as)).expires_at, 'without a wish, when the key in hand ends').to.equal(end)
    expect((await stage.issue(agent, { expires_at: sooner }, as)).expires_at).to.equal(sooner)
    const rotated = await stage.ask('POST', `/agents/${agent.id}/keys/${first}/rotations`, as, { grace_period_s: 0 })
    expect(rotated.status).to.equal(403)
    expect(await stage.tried({ api_key: agent.bearer }), 'the longer key goes on').to.equal(200)
    expect((await stage.rotate(agent, short.key_id, { grace_period_s: 0 }, as)).expires_at).to.equal(end)
  })

  it('[KEY-17] a key with rates of its own rotates none that has fewer bounds', async () => {
    const first = await stage.firstKeyOf(agent)
    const bounded = await stage.issue(agent, { rates: { write: { q: 5, w: 60 } } }, stage.admin)
    const wider = await stage.issue(agent, { rates: { write: { q: 6, w: 60 } } }, stage.admin)
    const as = { bearer: bounded.api_key }
    for (const key_id of [first, wider.key_id]) {
      const { status } = await stage.ask('POST', `/agents/${agent.id}/keys/${key_id}/rotations`, as, { grace_period_s: 0 })
      expect(status).to.equal(403)
    }
    await stage.rotate(agent, bounded.key_id, { grace_period_s: 0 }, as)
  })

  it('[KEY-17] nor by going on with what a wider key had begun, when its hub died before it answered', async () => {
    const narrow = await stage.issue(agent, { scopes: ['keys'] })
    const issue = async (bearer: string) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': 'the-same', authorization: `Bearer ${bearer}` }
      const response = await fetch(`${stage.hub.url}/agents/${agent.id}/keys`, { method: 'POST', headers, body: '{}' })
      return (await response.json()) as Partial<Issued>
    }
    const { key_id } = await issue(agent.bearer)
    // As a kill leaves it: the key is there, and its answer was never kept.
    const begun = { $unset: { answer: '' }, $set: { held_until: new Date(0) } }
    expect((await stage.database.collection('idempotency').updateMany({ answer: { $exists: true } }, begun)).modifiedCount).to.equal(1)
    expect(await issue(narrow.api_key))
      .to.include({ key_id })
      .and.not.to.have.property('api_key')
    await stage.database.collection('idempotency').updateMany({}, begun)
    const shown = await issue(agent.bearer)
    expect(await stage.tried({ api_key: shown.api_key ?? '' }), 'the one who began it').to.equal(200)
  })

  it('[KEY-10] a new key that a claim or a handshake refuses was not used: the grace of the one before does not begin', async () => {
    const first = await stage.firstKeyOf(agent)
    const next = await stage.rotate(agent, first, { grace_period_s: 60 })
    const [other, eve] = [await stage.newAgent(), await stage.user()]
    expect((await stage.ask('POST', `/agents/${other.id}/claim`, eve, { api_key: next.api_key })).status).to.equal(403)
    const auth = { key: next.api_key, as: other.id }
    expect(await connectAs(stage.hub, { auth }).catch(({ message }) => message)).to.equal('UNAUTHENTICATED')
    const { body } = await stage.ask<object>('GET', `/agents/${agent.id}/keys/${next.key_id}/history`, stage.admin)
    expect(body).to.have.property('first_used_at', null)
  })

  it('[KEY-3] no key has a scope whose permission its agent lacks, and none ends in the past', async () => {
    for (const [body, pointer] of [
      [{ scopes: ['tools', 'web'] }, '/scopes/1'],
      [{ scopes: ['attachments'] }, '/scopes/0'],
      [{ scopes: ['everything'] }, '/scopes/0'],
      [{ scopes: [] }, '/scopes'],
      [{ expires_at: new Date(stage.clock.now()).toISOString() }, '/expires_at'],
    ] as const) {
      const refused = await stage.ask<{ errors: { pointer: string }[] }>('POST', `/agents/${agent.id}/keys`, agent, body)
      expect([refused.status, refused.body.errors[0]?.pointer], JSON.stringify(body)).to.deep.equal([400, pointer])
    }
  })

  it('[KEY-4] rates of its own are given to a key by an admin only, and a key hands its bounds on', async () => {
    // One of the three is the issuing itself.
    const rates = { write: { q: 3, w: 60 } }
    expect((await stage.ask('POST', `/agents/${agent.id}/keys`, agent, { rates })).status).to.equal(403)
    const bounded = await stage.issue(agent, { rates }, stage.admin)
    const next = await stage.issue(agent, {}, { bearer: bounded.api_key })
    const rotated = await stage.rotate(agent, next.key_id, { grace_period_s: 0 }, stage.admin)
    const statuses = []
    for (let tries = 0; tries < 3; tries++) {
      const { status, headers } = await stage.ask('PATCH', `/agents/${agent.id}`, { bearer: rotated.api_key }, { name: 'Ada' })
      statuses.push(`${status} ${headers.get('ratelimit-policy')}`)
    }
    expect(statuses).to.deep.equal(['200 "write";q=3;w=60', '200 "write";q=3;w=60', '429 "write";q=3;w=60'])
  })

  it('[KEY-18] keys that a key with rates of its own hands on count together with it, those that replace it too', async () => {
    const bounded = await stage.issue(agent, { rates: { write: { q: 4, w: 60 } } }, stage.admin)
    const other = await stage.issue(agent, {}, { bearer: bounded.api_key })
    const next = await stage.rotate(agent, bounded.key_id, { grace_period_s: 60 }, { bearer: bounded.api_key })
    const write = async (bearer: string) => (await stage.ask('PATCH', `/agents/${agent.id}`, { bearer }, { name: 'Ada' })).status
    const keys = [next, other].map(({ api_key }) => api_key)
    const statuses = []
    for (const key of [...keys, ...keys]) statuses.push(await write(key))
    expect(statuses).to.deep.equal([200, 200, 429, 429])
    const beside = await stage.issue(agent, { rates: { write: { q: 4, w: 60 } } }, stage.admin)
    expect(await write(beside.api_key), 'what an admin gives another key is its own').to.equal(200)
  })

  it('[KEY-5] at most five keys, however many are asked for at once; one that is being replaced counts once, an ended one not', async () => {
    const asked = await Promise.all(Array.from({ length: 12 }, () => stage.ask<Listed>('POST', `/agents/${agent.id}/keys`, agent, {})))
    expect(asked.map(({ status }) => status).toSorted()).to.deep.equal([...Array(4).fill(201), ...Array(8).fill(409)])
    const refused = asked.find(({ status }) => status === 409)
    expect(refused?.body).to.include({ code: 'KEY_LIMIT_REACHED' })
    const keys = asked.flatMap(({ status, body }) => (status === 201 ? body : []))
    const rotated = await stage.rotate(agent, keys[0]?.key_id ?? '', { grace_period_s: 60 })
    expect(await stage.tried(rotated)).to.equal(200)
    expect((await stage.ask('POST', `/agents/${agent.id}/keys`, agent, {})).status).to.equal(409)
    const given = keys[1]?.key_id ?? ''
    expect(given).not.to.equal(await stage.firstKeyOf(agent))
    expect((await stage.ask('DELETE', `/agents/${agent.id}/keys/${given}`, agent)).status).to.equal(204)
    expect((await stage.issue(agent, { expires_at: new Date(stage.clock.now() + 1_000).toISOString() })).key_id).to.be.a('string')
    expect((await stage.ask('POST', `/agents/${agent.id}/keys`, agent, {})).status).to.equal(409)
    stage.clock.advance(1_000)
    await stage.issue(agent)
  })

  it('[KEY-6] a revoked key is refused from then on, stays in the list, and is revoked once', async () => {
    const key = await stage.issue(agent)
    const path = `/agents/${agent.id}/keys/${key.key_id}`
    for (let times = 0; times < 2; times++) expect((await stage.ask('DELETE', `${path}?reason=leaked`, agent)).status).to.equal(204)
    expect(await stage.tried(key)).to.equal(401)
    expect((await listed()).find(({ key_id }) => key_id === key.key_id)).to.deep.include({ status: 'revoked' })
    const { body } = await stage.ask<{ items: { type: string; reason?: string }[] }>('GET', `${path}/history`, agent)
    expect(body.items.map(({ type, reason }) => [type, reason])).to.deep.equal([
      ['created', undefined],
      ['revoked', 'leaked'],
    ])
    for (const path of [`/agents/${agent.id}/keys/${randomUUID()}`, `/agents/${(await stage.newAgent()).id}/keys/${key.key_id}`]) {
      expect((await stage.ask('DELETE', path, agent)).status, path).to.equal(404)
    }
  })

  it('[KEY-7] an agent cannot revoke its last key, not even by revoking two at once; its owner can', async () => {
    const owner = await stage.user()
    await stage.ask('POST', `/agents/${agent.id}/claim`, owner, { api_key: agent.bearer })
    await stage.issue(agent)
    const keys = await listed()
    const revoke = (key_id: string, as: Person) => stage.ask('DELETE', `/agents/${agent.id}/keys/${key_id}`, as)
    const both = await Promise.all(keys.map(({ key_id }) => revoke(key_id, agent)))
    expect(both.map(({ status }) => status).toSorted()).to.be.deep.oneOf([
      [204, 409],
      // The first one ended the very key that the second was sent with.
      [204, 401],
    ])
    const left = (await listed(owner)).filter(({ status }) => status === 'active')
    expect(left).to.have.length(1)
    expect((await revoke(left[0]?.key_id ?? '', owner)).status).to.equal(204)
    expect((await listed(owner)).filter(({ status }) => status === 'active')).to.deep.equal([])
  })

  it('[KEY-8] the uses of a key cost no write each: they are counted now and then, requests, handshakes and frames alike', async () => {
    const key = await stage.issue(agent)
    const count = async () => (await listed()).find(({ key_id }) => key_id === key.key_id)
    for (let times = 0; times < 3; times++) await stage.tried(key)
    const client = await connectAs(stage.hub, { auth: { key: key.api_key } })
    expect(codeOf(await client.ask('room.join', { contract_id: randomUUID() }))).to.equal('NOT_FOUND')
    expect(await count()).to.deep.include({ uses: 0, last_used_at: null })
    const used_at = new Date(stage.clock.now()).toISOString()
    stage.clock.advance(10_000)
    await until('they are counted', async () => (await count())?.uses === 5)
    expect((await count())?.last_used_at).to.equal(used_at)
    client.close()
  })

  it('[KEY-9] after its one answer a key is nowhere: not in lists, history, audit or database', async () => {
    const key = await stage.issue(agent)
    const rotated = await stage.rotate(agent, key.key_id, { grace_period_s: 0 })
    await stage.tried(rotated)
    const shown = JSON.stringify([
      (await stage.ask('GET', `/agents/${agent.id}/keys`, agent)).body,
      (await stage.ask('GET', `/agents/${agent.id}/keys/${key.key_id}/history`, agent)).body,
      (await stage.ask('GET', `/agents/${agent.id}`, agent)).body,
    ])
    const names = (await stage.database.db?.listCollections().toArray())?.map(({ name }) => name) ?? []
    const stored = await Promise.all(names.map((name) => stage.database.collection(name).find().toArray()))
    for (const { api_key } of [key, rotated]) expect(shown + JSON.stringify(stored)).not.to.include(api_key)
    expect(shown, 'control').to.include(rotated.last4)
  })
})
