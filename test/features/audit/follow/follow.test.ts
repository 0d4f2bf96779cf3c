import { expect } from 'chai'
import type { AuditItem } from '../../../../shared/protocol/index.ts'
import { createManualClock } from '../../../harness/clock.ts'
import { startHub, type TestHub } from '../../../harness/hub.ts'
import { api, connectAgent, connectAs, openContract, type Person, registerAgent, signUp } from '../../../harness/people.ts'
import { openDatabaseOf } from '../../../scenarios/stage.ts'
import { followTrail, namesOf } from './trail-follower.ts'

const tool = { name: 'weigh', description: 'weighs', input_schema: { type: 'object' } }

describe('the audit trail, live', () => {
  let hub: TestHub
  let staff: Person
  const clock = createManualClock()

  before(async () => {
    hub = await startHub({ clock })
    staff = await signUp(hub, ['reviewer'])
  })
  after(() => hub.close())

  async function search(query: string): Promise<AuditItem[]> {
    return (await api<{ items: AuditItem[] }>(hub, 'GET', `/audit?limit=200&${query}`, { bearer: hub.operator_token })).body.items
  }

  it('[AUDIT-19] staff are told what the hub and the rooms add, as a search shows it, and nothing from before', async () => {
    await registerAgent(hub, 'Before')
    const all = await followTrail(hub, staff)
    const { contract_id, requester, provider } = await openContract(hub)
    const scale = await connectAgent(hub, provider, [tool])
    const human = await connectAs(hub, requester)
    const { call_id } = await human.must('tool.call', { contract_id, key: 'c1', tool: 'weigh', input: { said: 'between the two' } })
    await human.must('message.post', { contract_id, key: 'm1', body: 'weigh it with care' })
    await scale.next('core.tool.call')
    await scale.must('agent.tool.result', { call_id, status: 'succeeded', output: { grams: 12 } })
    await all.item(({ event_type, subject }) => event_type === 'call.succeeded' && subject.id === call_id)
    await registerAgent(hub, 'After')
    await all.item(({ metadata }) => metadata['name'] === 'After')
    const told = all.items()
    const found = new Map((await search('')).map((item) => [item.event_id, item]))
    for (const item of told) expect(item).to.deep.equal(found.get(item.event_id))
    expect(told.map(({ event_type }) => event_type)).to.include.members([
      ...['user.created', 'contract.opened', 'call.requested', 'call.started', 'call.succeeded', 'agent.registered'],
    ])
    expect(new Set(told.map(({ event_id }) => event_id)).size).to.equal(told.length)
    expect(namesOf(told)).not.to.include('Before')
    expect(JSON.stringify(told)).not.to.include('with care').and.not.include('grams')
    for (const client of [all, scale, human]) client.close()
  })

  it('[AUDIT-19] it is filtered as a search is, and an owner follows what concerns their agent', async () => {
    const owner = await signUp(hub)
    const made = await api<{ agent_id: string }>(hub, 'POST', '/agents', { body: { name: 'Mine' }, bearer: owner.bearer })
    const { agent_id } = made.body
    const filters = {
      by_type: { type: 'agent' },
      by_severity: { severity: 'info' },
      by_word: { q: 'zanzibar' },
      of_one: { agent_id },
    } as const
    const [by_type, by_severity, by_word] = await Promise.all(
      [filters.by_type, filters.by_severity, filters.by_word].map((asked) => followTrail(hub, staff, asked)),
    )
    const own = await followTrail(hub, owner, filters.of_one)
    await registerAgent(hub, 'Zanzibar')
    await api(hub, 'PATCH', `/agents/${agent_id}`, { body: { name: 'Mine still' }, bearer: owner.bearer })
    await openContract(hub, { provider: { id: agent_id, auth: { key: '' }, bearer: '' } })
    await own.item(({ event_type }) => event_type === 'contract.opened')
    await registerAgent(hub, 'Last')
    await by_type?.item(({ metadata }) => metadata['name'] === 'Last')
    await by_severity?.item(({ event_type }) => event_type === 'contract.opened')
    await by_word?.item(({ metadata }) => metadata['name'] === 'Zanzibar')
    expect(new Set(by_type?.items().map(({ event_type }) => event_type.split('.')[0]))).to.deep.equal(new Set(['agent']))
    expect(new Set(by_severity?.items().map(({ severity }) => severity))).to.deep.equal(new Set(['info']))
    expect(namesOf(by_word?.items() ?? [])).to.deep.equal(['Zanzibar'])
    const about = own.items().map(({ event_id }) => event_id)
    const found = await search(`agent_id=${agent_id}`)
    expect(found.map(({ event_id }) => event_id)).to.include.members(about)
    for (const one of [by_type, by_severity, by_word, own]) one?.close()
  })

  it('[AUDIT-20] from a cursor on all of it is told, once: what came while nobody listened, the other rooms and the other filters', async () => {
    const first = await followTrail(hub, staff, { type: 'agent' })
    for (let at = 0; at < 5; at++) await registerAgent(hub, `Live ${at}`)
    await first.item(({ metadata }) => metadata['name'] === 'Live 4')
    const cursor = first.cursor()
    first.close()
    // More than one page, and rooms among them.
    for (let at = 0; at < 130; at++) await registerAgent(hub, `Away ${at}`)
    const { contract_id } = await openContract(hub)
    const again = await followTrail(hub, staff, { type: 'agent', cursor })
    expect(namesOf(again.items())).to.deep.equal([...Array.from({ length: 130 }, (_, at) => `Away ${at}`), ...['Scribe']])
    again.close()
    const others = await followTrail(hub, staff, { cursor })
    expect(others.items().map(({ stream }) => stream)).to.include(`contract:${contract_id}`)
    clock.advance(120_000)
    const later = await followTrail(hub, staff, { cursor: others.cursor() })
    expect(later.items()).to.deep.equal([])
    for (const one of [others, later]) one.close()
  })

  it('[AUDIT-20] a cursor of a log that was since made anew is no place: it is told so, and goes on from now', async () => {
    const one = await followTrail(hub, staff)
    await registerAgent(hub, 'Lost')
    await one.item(({ metadata }) => metadata['name'] === 'Lost')
    const cursor = one.cursor()
    one.close()
    const database = await openDatabaseOf(hub)
    const events = database.collection<{ _id: string; chain: string }>('events')
    const last = await events.findOne({ _id: { $gt: 'audit:', $lt: 'audit;' } }, { sort: { _id: -1 } })
    await events.updateOne({ _id: last?._id ?? '' }, { $set: { chain: '0'.repeat(64) } })
    const again = await followTrail(hub, staff, { cursor })
    expect(again.ack.reset).to.equal(true)
    expect(again.items()).to.deep.equal([])
    await events.updateOne({ _id: last?._id ?? '' }, { $set: { chain: last?.chain ?? '' } })
    await database.close()
    again.close()
  })

  it('[AUDIT-21] who may not read it follows nothing; what is no question, and what is no cursor, is refused', async () => {
    const owner = await signUp(hub)
    const { body } = await api<{ agent_id: string }>(hub, 'POST', '/agents', { body: { name: 'Own' }, bearer: owner.bearer })
    const foreign = await registerAgent(hub)
    const cases: [Person, object, string][] = [
      [await signUp(hub), {}, 'PERMISSION_DENIED'],
      [foreign, { agent_id: foreign.id }, 'PERMISSION_DENIED'],
      [owner, {}, 'FRAME_INVALID'],
      [owner, { agent_id: foreign.id }, 'NOT_FOUND'],
      [staff, { q: '!!!' }, 'FRAME_INVALID'],
      [staff, { cursor: 'abc' }, 'FRAME_INVALID'],
      [staff, { cursor: Buffer.from('[1,[["audit:1",1,"x"]],0,[]]').toString('base64url') }, 'FRAME_INVALID'],
      [staff, { severity: { $ne: 'x' } }, 'FRAME_INVALID'],
    ]
    for (const [who, asked, code] of cases) {
      const client = await connectAs(hub, who)
      const answer = await client.askRaw('audit.follow', asked)
      expect(answer.ok ? 'ok' : answer.error.code, JSON.stringify(asked)).to.equal(code)
      client.close()
    }
    const own = await followTrail(hub, owner, { agent_id: body.agent_id })
    own.close()
  })

  it('[AUDIT-21] a connection follows one thing: the newest that it asked for, and nothing once it unfollows', async () => {
    const one = await followTrail(hub, staff, { q: 'apple' })
    await one.client.must('audit.follow', { q: 'pear' })
    const witness = await followTrail(hub, staff)
    for (const name of ['Apple', 'Pear']) await registerAgent(hub, name)
    await one.item(({ metadata }) => metadata['name'] === 'Pear')
    await one.client.must('audit.unfollow', {})
    const told = one.items()
    await registerAgent(hub, 'Pear the second')
    await witness.item(({ metadata }) => metadata['name'] === 'Pear the second')
    await one.client.must('audit.unfollow', {})
    expect(namesOf(one.items())).to.deep.equal(namesOf(told)).and.to.deep.equal(['Pear'])
    for (const each of [one, witness]) each.close()
  })

  it('[AUDIT-22] who is staff no more, or signed out, is told nothing that was recorded behind that, and is sent away', async () => {
    const witness = await followTrail(hub, staff)
    const database = await openDatabaseOf(hub)
    const users = database.collection<{ _id: string }>('users')
    const losses: Record<string, (who: Person) => Promise<unknown>> = {
      'another role, and nobody told this hub': ({ id }) => users.updateOne({ _id: id }, { $set: { roles: ['requester'] } }),
      'another role': ({ id }) => api(hub, 'PATCH', `/users/${id}`, { body: { roles: ['requester'] }, bearer: hub.operator_token }),
      'signed out': ({ bearer }) => api(hub, 'DELETE', '/sessions/current', { bearer }),
      disabled: ({ id }) => api(hub, 'PATCH', `/users/${id}`, { body: { status: 'disabled' }, bearer: hub.operator_token }),
    }
    for (const [what, lose] of Object.entries(losses)) {
      const who = await signUp(hub, ['reviewer'])
      const reader = await followTrail(hub, who)
      const gone = new Promise((resolve) => reader.client.socket.once('disconnect', resolve))
      await registerAgent(hub, `Before ${what}`)
      await reader.item(({ metadata }) => metadata['name'] === `Before ${what}`)
      await lose(who)
      await registerAgent(hub, `Behind ${what}`)
      await witness.item(({ metadata }) => metadata['name'] === `Behind ${what}`)
      await gone
      expect(namesOf(reader.items()), what).not.to.include(`Behind ${what}`)
    }
    witness.close()
    await database.close()
  })

  it('[AUDIT-22] an owner who is it no more is told that it is over', async () => {
    const owner = await signUp(hub)
    const { body } = await api<{ agent_id: string; api_key: string }>(hub, 'POST', '/agents', {
      body: { name: 'Lent' },
      bearer: owner.bearer,
    })
    const reader = await followTrail(hub, owner, { agent_id: body.agent_id })
    const database = await openDatabaseOf(hub)
    await database.collection<{ _id: string }>('agents').updateOne({ _id: body.agent_id }, { $set: { owner_id: null } })
    await database.close()
    await api(hub, 'PATCH', `/agents/${body.agent_id}`, { body: { name: 'Gone' }, bearer: body.api_key })
    expect(await reader.client.next('audit.ended')).to.deep.equal({ code: 'PERMISSION_DENIED' })
    expect(reader.items()).to.deep.equal([])
    reader.close()
  })
})
