import { expect } from 'chai'
import type { AuditItem } from '../../../shared/protocol/index.ts'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, connectAgent, connectAs, openContract, type Person, registerAgent, signUp } from '../../harness/people.ts'
import { settledTrail } from './read-trail.ts'

interface Page {
  items: AuditItem[]
  total: number
  next_cursor?: string
}

const tool = { name: 'weigh', description: 'weighs', input_schema: { type: 'object' } }

describe('the audit trail: search', () => {
  let hub: TestHub
  let admin: Person
  let reviewer: Person
  let owner: Person
  let agent: Person
  let requester: Person
  let contract_id: string
  let call_id: string
  const clock = createManualClock()

  before(async () => {
    hub = await startHub({ clock })
    admin = await signUp(hub, ['admin'])
    reviewer = await signUp(hub, ['reviewer'])
    owner = await signUp(hub)
    clock.advance(1_000)
    const made = await api<{ agent_id: string; api_key: string }>(hub, 'POST', '/agents', { body: { name: 'Scale' }, bearer: owner.bearer })
    agent = { id: made.body.agent_id, auth: { key: made.body.api_key }, bearer: made.body.api_key }
    clock.advance(1_000)
    ;({ contract_id, requester } = await openContract(hub, { provider: agent }))
    clock.advance(1_000)
    const scale = await connectAgent(hub, agent, [tool])
    const human = await connectAs(hub, requester)
    ;({ call_id } = await human.must('tool.call', { contract_id, key: 'c1', tool: 'weigh', input: { said: 'between the two of them' } }))
    await human.must('message.post', { contract_id, key: 'm1', body: 'weigh it with care' })
    await scale.next('core.tool.call')
    await scale.must('agent.tool.result', { call_id, status: 'succeeded', output: { grams: 12 } })
    scale.close()
    human.close()
    clock.advance(1_000)
    await signUp(hub, ['requester'], 'Last')
    await settledTrail(hub, (events) => events.some(({ data }) => data.metadata['name'] === 'Last'))
  })
  after(() => hub.close())

  async function search(query: string, as: Person = admin): Promise<Page> {
    const { status, body } = await api<Page>(hub, 'GET', `/audit?${query}`, { bearer: as.bearer })
    expect(status, JSON.stringify(body)).to.equal(200)
    return body
  }
  const types = ({ items }: Page) => items.map(({ event_type }) => event_type)

  it('[AUDIT-5] one search finds the hubs’ trail and the rooms’ tool calls, newest first, and what was said is not in it', async () => {
    const { items } = await search('limit=200')
    const at = items.map((item) => item.at)
    expect(at).to.deep.equal([...at].sort().reverse())
    expect(new Set(items.map(({ stream }) => stream.split(':')[0]))).to.deep.equal(new Set(['audit', 'contract']))
    expect(types({ items, total: 0 })).to.include.members(['agent.registered', 'contract.opened', 'call.requested', 'call.succeeded'])
    expect(types({ items, total: 0 })).to.not.include('message.posted')
    expect(JSON.stringify(items)).to.not.include('with care').and.not.include('two of them').and.not.include('grams')
  })

  it('[AUDIT-5] a call is shown with who asked, its agent’s tool, its room and its place there', async () => {
    const { items } = await search(`subject=call:${call_id}&sort_order=asc`)
    const [asked] = items
    const key_id = items.find(({ event_type }) => event_type === 'call.succeeded')?.key_id
    expect(asked).to.deep.include({
      ...{ event_type: 'call.requested', severity: 'info', actor: { type: 'human', id: requester.id } },
      ...{
        subject: { type: 'call', id: call_id },
        metadata: { contract_id, tool: 'weigh', risk: 'low' },
        stream: `contract:${contract_id}`,
        seq: 2,
      },
    })
    expect(items.map(({ event_type }) => event_type)).to.deep.equal(['call.requested', 'call.started', 'call.succeeded'])
    expect(types(await search(`key_id=${key_id}`)), 'the key that the agent showed').to.include.members([
      'call.succeeded',
      'agent.registered',
    ])
  })

  it('[AUDIT-6] it is searched by type and family, actor, subject, agent, key, severity, time and words, and by all at once', async () => {
    const { items: all } = await search('limit=200')
    const cases: [string, (item: AuditItem) => boolean][] = [
      ['type=user.created', ({ event_type }) => event_type === 'user.created'],
      ['type=call', ({ event_type }) => event_type.startsWith('call.')],
      [`actor=${requester.id}`, ({ actor }) => actor.id === requester.id],
      [`subject=user:${owner.id}`, ({ subject }) => subject.id === owner.id],
      [`subject=contract:${contract_id}`, ({ stream }) => stream === `contract:${contract_id}`],
      ['severity=security', ({ severity }) => severity === 'security'],
      [`agent_id=${agent.id}`, (item) => [item.subject.id, item.actor.id].includes(agent.id) || item.stream === `contract:${contract_id}`],
      ['q=weigh', ({ event_type }) => event_type.startsWith('call.')],
      ['q=Reviewer', ({ metadata }) => JSON.stringify(metadata).includes('reviewer')],
      [`type=call&actor=${requester.id}&severity=info&q=weigh+requested`, ({ event_type }) => event_type === 'call.requested'],
    ]
    for (const [query, fits] of cases) {
      const expected = all.filter(fits)
      expect(expected.length, query).to.be.greaterThan(0)
      expect((await search(`${query}&limit=200`)).items, query).to.deep.equal(expected)
    }
    const moment = all.find(({ event_type }) => event_type === 'contract.opened')?.at ?? ''
    const since = await search(`from=${moment}&limit=200`)
    expect(since.items).to.deep.equal(all.filter(({ at }) => at >= moment))
    const until = await search(`to=${moment}&limit=200&type=user`)
    expect(until.items).to.deep.equal(all.filter(({ at, event_type }) => at <= moment && event_type.startsWith('user.')))
    expect(await search('task_id=none')).to.include({ total: 0 })
  })

  it('[AUDIT-6] it comes in pages, by cursor and by offset, each event once; what is no question is 400', async () => {
    const { items: all, total } = await search('limit=200')
    expect(total).to.equal(all.length)
    const walked: AuditItem[] = []
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const page: Page = await search(`limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
      walked.push(...page.items)
      cursor = page.next_cursor
    }
    expect(walked).to.deep.equal(all)
    expect((await search('limit=4&offset=4')).items).to.deep.equal(all.slice(4, 8))
    for (const query of [
      'type[$ne]=x',
      'subject=agent',
      'from=yesterday',
      'severity=loud',
      'q=%20',
      'q=!!!',
      'unknown=1',
      'limit=0',
      'cursor=abc',
    ]) {
      const { status } = await api(hub, 'GET', `/audit?${query}`, { bearer: admin.bearer })
      expect(status, query).to.equal(400)
    }
  })

  it('[AUDIT-7] staff read all of it, an owner what concerns their agent, and nobody else anything', async () => {
    expect((await search('limit=200', reviewer)).items.length).to.be.greaterThan(5)
    const own = await search(`agent_id=${agent.id}&limit=200`, owner)
    expect(types(own)).to.include.members(['agent.registered', 'call.requested', 'contract.opened'])
    expect(own.items).to.deep.equal((await search(`agent_id=${agent.id}&limit=200`)).items)
    const foreign = await registerAgent(hub)
    const refusals: [string, Person, number][] = [
      ['', owner, 400],
      [`agent_id=${foreign.id}`, owner, 404],
      ['agent_id=00000000-0000-7000-8000-000000000000', owner, 404],
      ['', requester, 403],
      [`agent_id=${agent.id}`, requester, 403],
      [`agent_id=${agent.id}`, agent, 403],
    ]
    for (const [query, as, status] of refusals)
      expect((await api(hub, 'GET', `/audit?${query}`, { bearer: as.bearer })).status, query).to.equal(status)
    expect((await api(hub, 'GET', '/audit')).status).to.equal(401)
  })

  it('[AUDIT-8] there is no route that changes or removes an event, whoever asks', async () => {
    const { items } = await search('limit=1')
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      for (const path of ['/audit', `/audit/${items[0]?.event_id}`]) {
        const { status } = await api(hub, method, path, { bearer: hub.operator_token, body: {} })
        expect([404, 405], `${method} ${path}`).to.include(status)
      }
    }
    expect(hub.routes.filter((route) => route.includes('/audit') && !route.startsWith('GET '))).to.deep.equal([])
  })
})
