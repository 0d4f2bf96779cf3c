import { hash } from 'node:crypto'
import { expect } from 'chai'
import mongoose from 'mongoose'
import { canonicalJson } from '../../../shared/rules/canonical-json.ts'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { type Person, registerAgent, signUp } from '../../harness/people.ts'

const HOUR_MS = 3_600_000

interface Answer {
  status: number
  replayed: boolean
  headers: Headers
  body: Record<string, unknown>
}

describe('Idempotency-Key', () => {
  const clock = createManualClock()
  let hub: TestHub
  let requester: Person
  let provider: Person
  let connection: mongoose.Connection
  let keys = 0

  before(async () => {
    hub = await startHub({ clock, trust_proxy: 1 })
    requester = await signUp(hub)
    provider = await registerAgent(hub)
    connection = await mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name }).asPromise()
  })
  after(async () => {
    await connection.close()
    await hub.close()
  })

  const newKey = () => `key-${++keys}`
  async function post(
    path: string,
    key: string,
    body: unknown,
    { bearer, address, on = hub }: { bearer?: string; address?: string; on?: TestHub } = {},
  ) {
    const headers = {
      ...{ 'content-type': 'application/json', 'idempotency-key': key },
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(address === undefined ? {} : { 'x-forwarded-for': address }),
    }
    const response = await fetch(on.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    const replayed = response.headers.get('idempotent-replayed') === 'true'
    return { status: response.status, replayed, headers: response.headers, body: (await response.json()) as Answer['body'] }
  }
  const contract = (title = 'Sort the archive') => ({ title, requester_id: requester.id, provider_id: provider.id })
  const open = (key: string, { body = contract(), ...as }: { body?: unknown; bearer?: string; on?: TestHub } = {}): Promise<Answer> =>
    post('/contracts', key, body, { bearer: hub.operator_token, ...as })
  const contracts = () => connection.collection('contracts').countDocuments()

  it('[HTTP-14] the same key and payload gets the stored answer, and nothing is done again', async () => {
    const key = newKey()
    const first = await open(key)
    expect([first.status, first.replayed]).to.deep.equal([201, false])
    const before = await contracts()
    for (const again of [key, `"${key}"`, ` ${key} `]) {
      const { status, replayed, body, headers } = await open(again)
      expect([status, replayed, body], again).to.deep.equal([201, true, first.body])
      expect(headers.get('location')).to.equal(first.headers.get('location'))
    }
    const reordered = Object.fromEntries(Object.entries(contract()).reverse())
    expect((await open(key, { body: reordered })).replayed).to.equal(true)
    expect(await contracts()).to.equal(before)
  })

  it('[HTTP-14] another payload under the same key is 422, and without a key each request is its own', async () => {
    const key = newKey()
    await open(key)
    const refused = await open(key, { body: contract('Another') })
    expect([refused.status, refused.body['code']]).to.deep.equal([422, 'KEY_REUSED'])
    const before = await contracts()
    for (let at = 0; at < 2; at++) await hub.post('/contracts', contract(), requester.bearer)
    expect(await contracts()).to.equal(before + 2)
  })

  it('[HTTP-14] of twenty that race with one key one takes effect; the others are told so, and then get its answer', async () => {
    const other = await startHub({ clock, like: hub })
    const [key, before] = [newKey(), await contracts()]
    const raced = await Promise.all(Array.from({ length: 20 }, (_, at) => open(key, { on: at % 2 === 0 ? hub : other })))
    expect(await contracts()).to.equal(before + 1)
    expect(raced.filter(({ status, replayed }) => status === 201 && !replayed)).to.have.length(1)
    for (const { status, body, headers, replayed } of raced) {
      if (status === 201) continue
      expect([status, body['code'], body['retry'], headers.get('retry-after'), replayed]).to.deep.equal([
        409,
        'REQUEST_IN_FLIGHT',
        'later',
        '1',
        false,
      ])
    }
    expect((await open(key)).replayed).to.equal(true)
    await other.close()
  })

  it('[HTTP-15] a key is good for 24 hours by the clock of the hub, also over a restart', async () => {
    const key = newKey()
    const first = await open(key)
    clock.advance(24 * HOUR_MS - 1)
    const other = await startHub({ clock, like: hub })
    expect((await open(key, { on: other })).body).to.deep.equal(first.body)
    await other.close()
    clock.advance(1)
    const later = await open(key)
    expect([later.status, later.replayed]).to.deep.equal([201, false])
    expect(later.body).to.not.deep.equal(first.body)
  })

  it('[HTTP-15] a key belongs to its principal, or to the address where there is none, and to one route', async () => {
    const key = newKey()
    const register = (address: string) => post('/agents', key, { name: 'Ada' }, { address })
    const first = await register('192.0.2.1')
    expect((await register('192.0.2.1')).body['agent_id']).to.equal(first.body['agent_id'])
    expect((await register('192.0.2.2')).body['agent_id']).to.not.equal(first.body['agent_id'])
    const mine = { ...contract(), requester_id: provider.id, provider_id: requester.id }
    const made = [await open(key, { body: mine }), await open(key, { body: mine, bearer: provider.bearer })]
    expect(made.map(({ status, replayed }) => [status, replayed])).to.deep.equal([
      [201, false],
      [201, false],
    ])
  })

  it('[HTTP-16] a malformed key is 400, and takes nothing', async () => {
    const before = await contracts()
    for (const key of ['', '""', '"open', 'clo"se', 'a, b', 'x'.repeat(256), 'tab\tbed', '"a\\b"']) {
      const refused = await open(key)
      expect([refused.status, refused.body['code']], key).to.deep.equal([400, 'REQUEST_INVALID'])
    }
    expect(await contracts()).to.equal(before)
    expect((await open(`"${'y'.repeat(255)}"`)).status).to.equal(201)
  })

  it('[HTTP-16] a refusal is not kept: the key is free for what mends it', async () => {
    const key = newKey()
    expect((await open(key, { body: contract('') })).status).to.equal(400)
    expect((await open(key)).status).to.equal(201)
  })

  it('[HTTP-17] what is shown once is not kept: a replay comes without it', async () => {
    const key = newKey()
    const first = await post('/agents', key, { name: 'Ada' })
    const { api_key, ...rest } = first.body
    const again = await post('/agents', key, { name: 'Ada' })
    expect([again.status, again.replayed, again.body]).to.deep.equal([201, true, rest])
    expect(again.headers.get('cache-control')).to.equal('no-store')
    const link = await post('/sign-in-links', key, {}, { bearer: hub.operator_token })
    const { expires_at } = link.body
    expect((await post('/sign-in-links', key, {}, { bearer: hub.operator_token })).body).to.deep.equal({ expires_at })
    const rows = JSON.stringify(await connection.collection('idempotency').find().toArray())
    expect(rows).to.include(String(rest['agent_id']))
    for (const secret of [api_key, link.body['url'], key]) expect(rows).to.not.include(String(secret))
  })

  it('[HTTP-46] of a body with a password no hash is kept that the password could be guessed by', async () => {
    const body = { email: 'eve@example.org', name: 'Eve', password: 'correct horse 77', roles: ['requester'] }
    const made = await post('/users', newKey(), body, { bearer: hub.operator_token })
    const row = await connection.collection('idempotency').findOne({ 'answer.body': { $regex: String(made.body['user_id']) } })
    const guesses = (['hex', 'base64', 'base64url'] as const).map((encoding) => hash('sha256', canonicalJson([{}, body]), encoding))
    expect(row?.['payload']).to.be.a('string')
    expect(guesses).to.not.include(row?.['payload'])
  })

  it('[HTTP-18] when the hub died before it kept the answer, the next try finds what the first did', async () => {
    const [key, before] = [newKey(), await contracts()]
    const first = await open(key)
    // As the first try left it, had it been killed between the two.
    const rows = connection.collection('idempotency')
    const kept = { 'answer.body': { $regex: String(first.body['contract_id']) } }
    await rows.updateOne(kept, { $unset: { answer: '' } })
    expect((await open(key)).status).to.equal(409)
    clock.advance(60_000)
    const second = await open(key)
    expect([second.status, second.body, second.replayed]).to.deep.equal([201, first.body, false])
    expect(await contracts()).to.equal(before + 1)
    const third = await open(key)
    expect([third.body, third.replayed]).to.deep.equal([first.body, true])
  })

  it('[HTTP-18] the next try waits for no hour by which the clock was set back after the hub died', async () => {
    const key = newKey()
    const first = await open(key)
    const rows = connection.collection('idempotency')
    const kept = { 'answer.body': { $regex: String(first.body['contract_id']) } }
    // As a hub left it that died while its clock was an hour ahead.
    const held_until = new Date(clock.now() + HOUR_MS + 60_000)
    await rows.updateOne(kept, { $unset: { answer: '' }, $set: { held_until } })
    const second = await open(key)
    expect([second.status, second.body]).to.deep.equal([201, first.body])
  })
})
