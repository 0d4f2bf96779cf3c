import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { api, type Person } from '../../harness/people.ts'
import { type KeysStage, setKeysStage } from './keys-stage.ts'

describe('the profile of an agent', () => {
  let stage: KeysStage
  let agent: Person

  before(async () => {
    stage = await setKeysStage()
  })
  beforeEach(async () => {
    agent = await stage.newAgent()
  })
  after(() => stage.close())

  const wallet_address = `0x${'aB'.repeat(20)}`
  const get = (as: { bearer: string }) => stage.ask<Record<string, unknown>>('GET', `/agents/${agent.id}`, as)
  const patch = (body: unknown, as: { bearer: string } = agent, id = agent.id) =>
    stage.ask<Record<string, unknown>>('PATCH', `/agents/${id}`, as, body)

  it('[AGENT-1] it changes its own name and wallet, and nothing else of itself', async () => {
    expect((await patch({ wallet_address })).body).to.deep.include({ name: 'Scribe', wallet_address })
    expect((await patch({ name: '  Quill ' })).body).to.deep.include({ name: 'Quill', wallet_address })
    expect((await patch({ wallet_address: null })).body).to.deep.include({ name: 'Quill', wallet_address: null })
    for (const [body, pointer] of [
      [{ wallet_address: '0x12' }, '/wallet_address'],
      [{ name: '' }, '/name'],
      [{ owner_id: agent.id }, '/owner_id'],
      [{ permissions: {} }, '/permissions'],
      [{ name: { $ne: '' } }, '/name'],
    ] as const) {
      const { status, body: refusal } = await patch(body)
      expect([status, refusal['code']], JSON.stringify(body)).to.deep.equal([400, 'REQUEST_INVALID'])
      expect(JSON.stringify(refusal['errors'])).to.include(pointer)
    }
  })

  it('[AGENT-2] nobody else changes it: 403 for another agent, its owner and an admin, 404 where there is none', async () => {
    const owner = await stage.user()
    await stage.ask('POST', `/agents/${agent.id}/claim`, owner, { api_key: agent.bearer })
    for (const as of [await stage.newAgent(), owner, stage.admin]) expect((await patch({ name: 'Mine' }, as)).status).to.equal(403)
    for (const id of [randomUUID(), 'x', '..%2fme']) expect((await patch({ name: 'Mine' }, agent, id)).status, id).to.equal(404)
    expect((await get(agent)).body['name']).to.equal('Scribe')
  })

  it('[AGENT-3] a change that names what it has seen is refused when that is no longer there; without, changes at once are all made', async () => {
    const seen = (await get(agent)).headers.get('etag') ?? ''
    const change = (name: string, etag: string) =>
      fetch(`${stage.hub.url}/agents/${agent.id}`, {
        method: 'PATCH',
        headers: { authorization: `Bearer ${agent.bearer}`, 'content-type': 'application/merge-patch+json', 'if-match': etag },
        body: JSON.stringify({ name }),
      })
    const first = await change('One', seen)
    expect(first.status).to.equal(200)
    expect((await change('Two', seen)).status).to.equal(412)
    expect((await change('Three', first.headers.get('etag') ?? '')).status).to.equal(200)
    const etag = (await get(agent)).headers.get('etag') ?? ''
    const raced = await Promise.all(['A', 'B', 'C', 'D'].map((name) => change(name, etag)))
    expect(raced.map(({ status }) => status).toSorted()).to.deep.equal([200, 412, 412, 412])
    const free = await Promise.all([patch({ name: 'E' }), patch({ wallet_address }), patch({ name: 'E' })])
    expect(free.map(({ status }) => status)).to.deep.equal([200, 200, 200])
    expect((await get(agent)).body).to.include({ name: 'E', wallet_address })
  })

  it('[AGENT-4] everybody who is signed in sees its name; owner, wallet and permissions only itself, its owner and staff', async () => {
    const card = ['agent_id', 'created_at', 'name']
    const whole = [...card, 'owner_id', 'permissions', 'wallet_address'].toSorted()
    const keysFor = async (as: { bearer: string }) => Object.keys((await get(as)).body).toSorted()
    for (const as of [agent, stage.admin, await stage.user(['reviewer'])]) expect(await keysFor(as)).to.deep.equal(whole)
    for (const as of [await stage.newAgent(), await stage.user()]) expect(await keysFor(as)).to.deep.equal(card)
    expect((await api(stage.hub, 'GET', `/agents/${agent.id}`)).status).to.equal(401)
  })

  it('[AGENT-6] one lists the agents that one manages: staff all of them, others what they own, an agent itself', async () => {
    const [ann, ben] = [await stage.user(), await stage.user()]
    const owned: string[] = []
    for (const name of ['One', 'Two', 'Three']) {
      owned.push((await stage.ask<{ agent_id: string }>('POST', '/agents', ann, { name })).body.agent_id)
    }
    type Page = { items: { agent_id: string; owner_id?: string }[]; total: number; next_cursor?: string }
    const list = async (as: { bearer: string }, query = '') => (await stage.ask<Page>('GET', `/agents${query}`, as)).body
    const ids = ({ items }: Page) => items.map(({ agent_id }) => agent_id)
    const newest = owned.toSorted().toReversed()
    expect(ids(await list(ann))).to.deep.equal(newest)
    const first = await list(ann, '?limit=2')
    expect([ids(first), ids(await list(ann, `?limit=2&cursor=${first.next_cursor}`))]).to.deep.equal([newest.slice(0, 2), newest.slice(2)])
    expect(await list(ben)).to.deep.equal({ items: [], total: 0, limit: 50, offset: 0 })
    expect(ids(await list(agent))).to.deep.equal([agent.id])
    for (const staff of [stage.admin, await stage.user(['reviewer'])])
      expect(ids(await list(staff))).to.include.members([...owned, agent.id])
    expect((await list(ann)).items.every(({ owner_id }) => owner_id === ann.id)).to.equal(true)
    expect((await api(stage.hub, 'GET', '/agents')).status).to.equal(401)
  })

  it('[AGENT-5] whoever shows a key of an agent that nobody owns becomes its owner; the first one, and for good', async () => {
    const [ann, ben] = [await stage.user(), await stage.user()]
    const claim = (as: { bearer: string }, api_key: string) =>
      stage.ask<Record<string, unknown>>('POST', `/agents/${agent.id}/claim`, as, { api_key })
    const narrow = await stage.issue(agent, { scopes: ['rooms:read'] })
    for (const wrong of [(await stage.newAgent()).bearer, narrow.api_key, 'x']) expect((await claim(ann, wrong)).status).to.equal(403)
    expect((await claim(agent, agent.bearer)).status, 'an agent owns nothing').to.equal(403)
    const raced = await Promise.all([claim(ann, agent.bearer), claim(ben, agent.bearer)])
    expect(raced.map(({ status }) => status).toSorted()).to.deep.equal([200, 409])
    const winner = raced[0]?.status === 200 ? ann : ben
    expect((await claim(winner, agent.bearer)).body).to.include({ owner_id: winner.id })
    expect((await get(winner)).body).to.include({ owner_id: winner.id })
  })
})
