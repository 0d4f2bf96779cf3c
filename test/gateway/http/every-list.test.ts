import { expect } from 'chai'
import { type HttpRow, http } from '../../../shared/protocol/index.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, openContract } from '../../harness/people.ts'

interface Page {
  items: object[]
  total: number
  limit: number
  next_cursor?: string
  errors?: { pointer: string }[]
}

const takes = ({ query }: HttpRow, name: string) => query !== undefined && 'shape' in query && name in (query.shape as object)
/** Found by what they take, so that a new one is here by itself. */
const lists = Object.entries<HttpRow>(http)
  .filter(([, row]) => takes(row, 'sort_by'))
  .map(([route]) => route.replace('GET ', ''))

/** Each row begins with what it is known by. */
const idOf = (item: object) => Object.values(item)[0]

describe('every list', () => {
  let hub: TestHub
  let ids: Record<string, string>

  before(async () => {
    hub = await startHub()
    const { contract_id, provider } = await openContract(hub)
    await openContract(hub)
    await api(hub, 'POST', `/agents/${provider.id}/keys`, { bearer: hub.operator_token, body: {} })
    ids = { contracts: contract_id, agents: provider.id }
  })
  after(() => hub.close())

  const get = (path: string, query: string) => {
    const filled = path.replace(':id', ids[path.split('/')[1] ?? ''] ?? '')
    const words = path.endsWith('/search') ? 'q=opened&' : ''
    return api<Page>(hub, 'GET', `${filled}?${words}${query}`, { bearer: hub.operator_token })
  }

  it('[HTTP-36] there are those that there should be', () => {
    expect(lists).to.include.members([
      '/contracts',
      '/agents',
      '/agents/:id/keys',
      '/users',
      '/sessions',
      '/audit',
      '/contracts/:id/search',
    ])
  })

  for (const path of lists) {
    it(`[HTTP-36] ${path} refuses ranges, orders and names that it has not, each with its pointer`, async () => {
      const wrong = {
        ...{ 'limit=0': '/limit', 'limit=201': '/limit', 'limit=abc': '/limit', 'limit=1e2': '/limit', 'limit=': '/limit' },
        ...{ 'offset=-1': '/offset', 'sort_by=_id': '/sort_by', 'sort_by=password_hash': '/sort_by', 'sort_by=constructor': '/sort_by' },
        ...{ 'sort_order=up': '/sort_order', 'sort_order[$ne]=asc': '/sort_order[$ne]', 'nothing=1': '/nothing', 'cursor=x': '/cursor' },
      }
      for (const [query, pointer] of Object.entries(wrong)) {
        const { status, body } = await get(path, query)
        expect([status, body.errors?.[0]?.pointer], query).to.deep.equal([400, pointer])
      }
    })

    it(`[HTTP-36] ${path} goes on by its Link, and the other way round by sort_order`, async () => {
      const { status, body, headers } = await get(path, 'limit=1&sort_order=asc')
      expect([status, body.limit]).to.deep.equal([200, 1])
      expect(headers.get('link'), 'Link').to.match(/; rel="first"/)
      expect(/rel="next"/.test(headers.get('link') ?? '')).to.equal(body.next_cursor !== undefined)
      const [up, down] = [await get(path, 'limit=200&sort_order=asc'), await get(path, 'limit=200&sort_order=desc')]
      const [first, last] = [up.body.items.map(idOf), down.body.items.map(idOf)]
      // A row may have come in between, into the trail above all.
      const upwards = last.filter((id) => first.includes(id)).reverse()
      expect(first.filter((id) => last.includes(id))).to.deep.equal(upwards)
      expect(first[0]).to.deep.equal(body.items.map(idOf)[0])
    })
  }
})
