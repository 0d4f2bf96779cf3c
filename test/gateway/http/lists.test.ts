import { expect } from 'chai'
import mongoose from 'mongoose'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, openContract, type Person, registerAgent, signUp } from '../../harness/people.ts'

interface Page {
  items: { contract_id: string }[]
  total: number
  total_capped?: true
  limit: number
  offset: number
  next_cursor?: string
  code?: string
  errors?: { pointer: string; detail: string }[]
}

describe('lists', () => {
  const clock = createManualClock()
  let hub: TestHub
  let requester: Person
  let provider: Person
  const ids: string[] = []

  before(async () => {
    hub = await startHub({ clock })
    requester = await signUp(hub)
    provider = await registerAgent(hub)
    for (let n = 0; n < 7; n++) await open()
  })
  after(() => hub.close())

  async function open(): Promise<void> {
    clock.advance(1)
    ids.unshift((await openContract(hub, { requester, provider })).contract_id)
  }
  const get = (path: string, bearer = requester.bearer) => api<Page>(hub, 'GET', path, { bearer })
  const idsOf = ({ items }: Page) => items.map(({ contract_id }) => contract_id)
  const nextOf = (headers: Headers) => /<([^>]*)>; rel="next"/.exec(headers.get('link') ?? '')?.[1]

  it('[HTTP-9] the links lead through all pages, each row once, also when rows come in between', async () => {
    const before = [...ids]
    const seen: string[] = []
    let path: string | undefined = '/contracts?limit=3&state=open'
    for (let page = 0; path !== undefined; page++) {
      const { body, headers } = await get(path)
      expect(idsOf(body).length).to.equal(page < 2 ? 3 : 1)
      seen.push(...idsOf(body))
      expect(headers.get('link')).to.match(/^<\/contracts\?limit=3&[^>]*state=open[^>]*>; rel="first"/)
      path = nextOf(headers)
      expect(path === undefined).to.equal(body.next_cursor === undefined)
      await open()
    }
    expect(seen).to.deep.equal(before)
  })

  it('[HTTP-9] the order is one of the allowed ones, either way', async () => {
    const { body } = await get('/contracts?sort_by=opened_at&sort_order=asc&limit=4')
    expect(idsOf(body)).to.deep.equal([...ids].reverse().slice(0, 4))
    const next = await get(`/contracts?sort_order=asc&limit=200&cursor=${body.next_cursor}`)
    expect([...idsOf(body), ...idsOf(next.body)]).to.deep.equal([...ids].reverse())
  })

  it('[HTTP-10] what a list does not take is 400 with a pointer: ranges, orders, operators, cursors of elsewhere', async () => {
    const { body } = await get('/contracts?limit=2&state=open')
    const wrong = {
      'limit=0': '/limit',
      'limit=201': '/limit',
      'limit=abc': '/limit',
      'limit=1&limit=2': '/limit',
      'offset=-1': '/offset',
      'sort_by=requester_id': '/sort_by',
      'sort_by=__proto__': '/sort_by',
      'sort_order=up': '/sort_order',
      'count=all': '/count',
      'state[$ne]=open': '/state[$ne]',
      '$where=1': '/$where',
      'status=open': '/status',
      'cursor=': '/cursor',
      'cursor=x': '/cursor',
      [`cursor=${Buffer.from('["","",{"$gt":""}]').toString('base64url')}`]: '/cursor',
      [`cursor=${body.next_cursor}`]: '/cursor',
      [`cursor=${body.next_cursor}&state=open&sort_order=asc`]: '/cursor',
      [`cursor=${body.next_cursor}&state=open&offset=1`]: '/offset',
    }
    for (const [query, pointer] of Object.entries(wrong)) {
      const refused = await get(`/contracts?${query}`)
      expect([refused.status, refused.body.code, refused.body.errors?.[0]?.pointer], query).to.deep.equal([400, 'REQUEST_INVALID', pointer])
    }
    expect((await get(`/contracts?cursor=${body.next_cursor}&state=open`)).status).to.equal(200)
  })

  it('[HTTP-11] a total is exact up to 10,000, then says so; count=exact counts on', async () => {
    const connection = await mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name }).asPromise()
    const flags = ['can_read_attachments', 'can_access_web', 'can_run_code_sandbox', 'can_message_requester']
    const none = Object.fromEntries(flags.map((flag) => [flag, false]))
    const rows = Array.from({ length: 10_001 }, (_, n) => ({
      ...{ _id: `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`, title: 'old', state: 'ended', opened_at: new Date(0) },
      ...{ requester_id: provider.id, provider_id: provider.id, permissions: none },
    }))
    await connection.collection<(typeof rows)[number]>('contracts').insertMany(rows.slice(1))
    const { total, total_capped } = (await get('/contracts?state=ended&limit=1', hub.operator_token)).body
    expect({ total, total_capped }).to.deep.equal({ total: 10_000, total_capped: undefined })
    await connection.collection<(typeof rows)[number]>('contracts').insertMany(rows.slice(0, 1))
    await connection.close()
    const capped = (await get('/contracts?state=ended&limit=1', hub.operator_token)).body
    expect(capped).to.include({ total: 10_000, total_capped: true })
    const exact = (await get('/contracts?state=ended&limit=1&count=exact', hub.operator_token)).body
    expect(exact.total).to.equal(10_001)
    expect(exact).to.not.have.property('total_capped')
  })

  it('[HTTP-9] a search is a list like any other', async () => {
    const { contract_id } = await openContract(hub, { requester, provider })
    const { body, headers } = await get(`/contracts/${contract_id}/search?q=nothing&limit=1&sort_order=asc`)
    expect(body).to.deep.equal({ items: [], total: 0, limit: 1, offset: 0 })
    expect(headers.get('link')).to.equal(`</contracts/${contract_id}/search?q=nothing&limit=1&sort_by=seq&sort_order=asc>; rel="first"`)
  })
})
