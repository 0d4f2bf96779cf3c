import { expect } from 'chai'
import type { Profile } from '../../shared/protocol/index.ts'
import { settledTrail } from '../features/audit/read-trail.ts'
import { api, type Client, connectAgent, connectAs, openContract, type Person, registerAgent } from '../harness/people.ts'
import { advanceUntil, codeOf, openDatabaseOf, readLog, type Stage, setStage, settled, shout, type Tools, until } from './stage.ts'

const whisper = { name: 'whisper', description: 'Says it quietly', input_schema: {} } as const
const input = { text: 'hello' }

describe('profiles of keys, at work', () => {
  let stage: Stage
  let clients: Client[]

  beforeEach(async () => {
    stage = await setStage()
    clients = []
  })
  afterEach(async () => {
    for (const client of clients) client.close()
    await stage.mustBeSound()
    await stage.close()
  })

  async function keyOf(agent: Person, profile: Profile): Promise<Person> {
    const asked = { body: { profile }, bearer: agent.bearer }
    const { status, body } = await api<{ api_key: string }>(stage.hub, 'POST', `/agents/${agent.id}/keys`, asked)
    expect(status).to.equal(201)
    return { id: agent.id, auth: { key: body.api_key }, bearer: body.api_key }
  }

  /** The provider on a connection of a key with the profile. */
  async function bounded(profile: Profile, tools: Tools = []): Promise<Client & { session_id: string }> {
    const client = await connectAgent(stage.hub, await keyOf(stage.provider, profile), tools)
    clients.push(client)
    return client
  }

  /** Another agent, as the requester of a contract with the provider, by a key with the profile. */
  async function calling(profile: Profile) {
    const requester = await registerAgent(stage.hub, 'Caller')
    const { contract_id } = await openContract(stage.hub, { requester, provider: stage.provider })
    const as = await keyOf(requester, profile)
    const client = await connectAs(stage.hub, as)
    clients.push(client)
    return { client, contract_id, as }
  }

  const ask = (key: string, tool = 'shout') => stage.human.must('tool.call', { contract_id: stage.contract_id, key, tool, input })
  const sent = (client: Client) =>
    client.told.flatMap(({ type, payload }) => (type === 'core.tool.call' ? (payload as { call_id: string }).call_id : []))
  const ruleOf = (answer: object) => [codeOf(answer as never), (answer as { error?: { facts?: { rule?: string } } }).error?.facts?.rule]
  const violated = (rule: keyof Profile) => ['PROFILE_VIOLATED', rule]

  it('[PROF-3] an agent registers and answers only the tools that its key allows, and is sent no other', async () => {
    await stage.agent.must('agent.tools.register', { tools: [shout, whisper] })
    const quiet = await bounded({ allowed_tools: ['whisper'] })
    expect(ruleOf(await quiet.ask('agent.tools.register', { tools: [shout, whisper] }))).to.deep.equal(violated('allowed_tools'))
    const [loud, soft] = [await ask('one'), await ask('two', 'whisper')]
    await quiet.next('core.tool.call', ({ call_id }) => call_id === soft.call_id)
    await stage.agent.next('core.tool.call', ({ call_id }) => call_id === loud.call_id)
    expect([sent(quiet), sent(stage.agent)], 'the newest session that may').to.deep.equal([[soft.call_id], [loud.call_id]])
    // The other session goes, and nobody else may have it.
    stage.agent.socket.disconnect()
    const later = await ask('three')
    expect(ruleOf(await quiet.ask('agent.tool.stream', { call_id: later.call_id, seq: 1, chunk: 'x' }))).to.deep.equal(
      violated('allowed_tools'),
    )
    const result = { status: 'succeeded', output: 'HELLO' } as const
    expect(ruleOf(await quiet.ask('agent.tool.result', { call_id: later.call_id, ...result }))).to.deep.equal(violated('allowed_tools'))
    await quiet.must('agent.tool.result', { call_id: soft.call_id, ...result })
    await quiet.must('agent.tools.register', { tools: [whisper] })
  })

  it('[PROF-3] a key that is bound to tools takes up no session that others were sent to, and so none of its running calls', async () => {
    await stage.agent.must('agent.tools.register', { tools: [shout, whisper] })
    const running = await ask('one')
    await stage.agent.next('core.tool.call', ({ call_id }) => call_id === running.call_id)
    await stage.agent.must('agent.tool.stream', { call_id: running.call_id, seq: 1, chunk: 'H' })
    await stage.human.event(stage.contract_id, 'call.started')
    const as = await keyOf(stage.provider, { allowed_tools: ['whisper'] })
    const quiet = await connectAs(stage.hub, as)
    clients.push(quiet)
    const hello = { protocol: 1, agent: { name: 'quiet', version: '1' }, resume: stage.agent.session_id } as const
    const { session_id } = await quiet.must('agent.hello', hello)
    expect(session_id).to.not.equal(stage.agent.session_id)
    expect((await quiet.must('agent.hello', { ...hello, resume: session_id })).session_id, 'its own').to.equal(session_id)
    await stage.agent.must('agent.tool.result', { call_id: running.call_id, status: 'succeeded', output: 'HELLO' })
    expect(sent(quiet)).to.deep.equal([])
  })

  it('[KEY-16] a session of a key without the scope `tools` is sent no calls, and one without `rooms:read` is told of no contracts', async () => {
    const asked = { body: { scopes: ['agent'] }, bearer: stage.provider.bearer }
    const { body } = await api<{ api_key: string }>(stage.hub, 'POST', `/agents/${stage.provider.id}/keys`, asked)
    const narrow = await connectAs(stage.hub, { auth: { key: body.api_key } })
    clients.push(narrow)
    const { contracts } = await narrow.must('agent.hello', { protocol: 1, agent: { name: 'narrow', version: '1' } })
    expect(contracts).to.deep.equal([])
    const opened = await openContract(stage.hub, stage)
    await stage.agent.next('contract.opened', ({ contract_id }) => contract_id === opened.contract_id)
    expect((await narrow.must('agent.heartbeat', {})).heads).to.deep.equal({})
    expect(narrow.told.filter(({ type }) => type === 'contract.opened')).to.deep.equal([])
    const call = await ask('one')
    await stage.agent.next('core.tool.call', ({ call_id }) => call_id === call.call_id)
    await stage.agent.must('agent.tool.result', { call_id: call.call_id, status: 'succeeded', output: 'HELLO' })
    expect(sent(narrow)).to.deep.equal([])
  })

  it('[PROF-3] an agent calls no tool of others that its key does not allow', async () => {
    const { client, contract_id } = await calling({ allowed_tools: ['whisper'] })
    expect(ruleOf(await client.ask('tool.call', { contract_id, key: 'a', tool: 'shout', input }))).to.deep.equal(violated('allowed_tools'))
    expect(codeOf(await client.ask('tool.call', { contract_id, key: 'b', tool: 'whisper', input }))).to.equal('ok')
  })

  it('[PROF-4] an agent calls and engages only the agents that its key allows, and itself', async () => {
    const { client, contract_id, as } = await calling({ allowed_agents: [] })
    const call = { contract_id, key: 'a', tool: 'shout', input }
    expect(ruleOf(await client.ask('tool.call', call))).to.deep.equal(violated('allowed_agents'))
    const open = async (who: Person, provider: Person) => {
      const body = { title: 'More', requester_id: who.id, provider_id: provider.id }
      const answer = await api<{ code?: string; facts?: { rule: string } }>(stage.hub, 'POST', '/contracts', { body, bearer: who.bearer })
      return [answer.status, answer.body.code, answer.body.facts?.rule]
    }
    expect(await open(as, stage.provider)).to.deep.equal([403, ...violated('allowed_agents')])
    expect(await open(as, stage.requester), 'a person is no agent').to.deep.equal([201, undefined, undefined])
    const friend = await calling({ allowed_agents: [stage.provider.id] })
    expect(codeOf(await friend.client.ask('tool.call', { ...call, contract_id: friend.contract_id }))).to.equal('ok')
    const itself = await bounded({ allowed_agents: [] })
    expect(codeOf(await itself.ask('tool.call', { ...call, contract_id: stage.contract_id }))).to.equal('ok')
  })

  it('[PROF-5] the sessions of a key have so many calls under way and no more, in all rooms; the next one goes when one ends', async () => {
    stage.agent.socket.disconnect()
    const key = await keyOf(stage.provider, { max_concurrent_tasks: 2 })
    const sessions = [await connectAgent(stage.hub, key, [shout]), await connectAgent(stage.hub, key)]
    clients.push(...sessions)
    const other = await openContract(stage.hub, stage)
    const asked = [await ask('one'), await ask('two')]
    const elsewhere = { contract_id: other.contract_id, tool: 'shout', input }
    asked.push(await stage.human.must('tool.call', { ...elsewhere, key: 'three' }), await ask('four'))
    const all = () => sessions.flatMap(sent)
    await settled(stage)
    await Promise.all(sessions.map((session) => session.must('agent.heartbeat', {})))
    const under = all()
    expect(under).to.have.lengthOf(2)
    const holder = (call_id: string) => sessions.find((session) => sent(session).includes(call_id)) ?? stage.agent
    const waiting = asked.map(({ call_id }) => call_id).filter((call_id) => !under.includes(call_id))
    const early = await sessions[0]?.ask('agent.tool.result', { call_id: waiting[0] ?? '', status: 'succeeded' })
    expect(ruleOf(early ?? {})).to.deep.equal(violated('max_concurrent_tasks'))
    for (let done = 0; done < asked.length; done++) {
      await until('the next one is sent', () => all().length === Math.min(done + 2, asked.length))
      const call_id = all()[done] ?? ''
      await holder(call_id).must('agent.tool.result', { call_id, status: 'succeeded', output: done })
      await settled(stage)
      await Promise.all(sessions.map((session) => session.must('agent.heartbeat', {})))
      expect(all()).to.have.lengthOf(Math.min(done + 3, asked.length))
    }
    expect(new Set(all())).to.deep.equal(new Set(asked.map(({ call_id }) => call_id)))
  })

  it('[PROF-5] a call that ends unheard gives its place back', async () => {
    stage.agent.socket.disconnect()
    const mute = await bounded({ max_concurrent_tasks: 1 }, [shout])
    mute.socket.offAny()
    const call = { contract_id: stage.contract_id, tool: 'shout', input }
    const { call_id } = await stage.human.must('tool.call', { ...call, key: 'one', timeout_ms: 5_000 })
    const heard: string[] = []
    mute.socket.on('core.tool.call', (told: { call_id: string }) => heard.push(told.call_id))
    await until('it is sent', () => heard.length === 1)
    await advanceUntil(stage.clock, 'it is over', async () =>
      (await readLog(stage.hub, stage.contract_id)).some(({ type, data }) => type === 'call.timed_out' && data['call_id'] === call_id),
    )
    const next = await ask('two')
    await until('the next one is sent', () => heard.includes(next.call_id))
  })

  it('[PROF-14] what follows from a call, done once more when it has started, does not give it more time', async () => {
    const slow = await bounded({ max_execution_seconds: 10 }, [shout])
    const deadline = new Date(stage.clock.now() + 10_000).toISOString()
    const { call_id, seq } = await ask('one')
    await slow.next('core.tool.call')
    await slow.must('agent.tool.stream', { call_id, seq: 1, chunk: 'HEL' })
    await stage.human.event(stage.contract_id, 'call.started')
    await settled(stage)
    const database = await openDatabaseOf(stage.hub)
    const place = { stream: `contract:${stage.contract_id}`, seq }
    const events = database.collection('events')
    // As a hub leaves it that dies behind its work, and before it has said so.
    await events.updateOne(place, { $set: { pending: ['react'] } })
    stage.clock.advance(5_000)
    await until('it was done again', async () => (await events.findOne(place))?.['pending'] === undefined)
    await database.close()
    expect(await dueAt(stage, `timeout:${call_id}`)).to.equal(deadline)
  })

  it('[PROF-6] a call has the time that the key of its session gives it, from its start on, and ends then', async () => {
    const slow = await bounded({ max_execution_seconds: 10 }, [shout])
    const asked_ms = stage.clock.now()
    const { call_id } = await ask('one')
    const deadline = new Date(asked_ms + 10_000).toISOString()
    expect(await slow.next('core.tool.call')).to.deep.include({ call_id, deadline })
    await slow.must('agent.tool.stream', { call_id, seq: 1, chunk: 'HEL' })
    expect((await stage.human.event(stage.contract_id, 'call.started')).data).to.deep.equal({
      call_id,
      session_id: slow.session_id,
      deadline,
    })
    const view = await stage.human.must('room.join', { contract_id: stage.contract_id })
    expect(view.view.calls[0]).to.deep.include({ call_id, deadline })
    await settled(stage)
    stage.clock.advance(9_999)
    expect(codeOf(await slow.ask('agent.tool.stream', { call_id, seq: 2, chunk: 'LO' }))).to.equal('ok')
    // Asked over HTTP between two steps of the clock: one that runs ahead of the hub's work ends the human's credentials too.
    const isOver = async () => (await stage.log()).some(({ type }) => type === 'call.timed_out')
    expect(await isOver()).to.equal(false)
    expect(await dueAt(stage, `timeout:${call_id}`), 'the call itself had two minutes').to.equal(deadline)
    await advanceUntil(stage.clock, 'it is over', isOver, 100)
    expect((await stage.human.event(stage.contract_id, 'call.timed_out')).data).to.deep.include({ call_id })
    const shorter = await stage.human.must('tool.call', {
      contract_id: stage.contract_id,
      key: 'two',
      tool: 'shout',
      input,
      timeout_ms: 3_000,
    })
    await slow.must('agent.tool.stream', { call_id: shorter.call_id, seq: 1, chunk: 'x' })
    const started = await stage.human.event(stage.contract_id, 'call.started', ({ seq }) => seq > shorter.seq)
    expect(started.data, 'the call has less by itself').to.deep.equal({ call_id: shorter.call_id, session_id: slow.session_id })
  })

  it('[PROF-6] a call that a bounded key asks for has no more time than that', async () => {
    const { client, contract_id } = await calling({ max_execution_seconds: 5 })
    await client.must('room.join', { contract_id })
    await client.must('tool.call', { contract_id, key: 'a', tool: 'shout', input, timeout_ms: 60_000 })
    const { data } = await client.event(contract_id, 'call.requested')
    expect(data['deadline']).to.equal(new Date(stage.clock.now() + 5_000).toISOString())
  })

  it('[PROF-7] a violation is refused with its rule and reason, and lies in the trail, counted', async () => {
    const { client, contract_id, as } = await calling({ allowed_tools: [] })
    const call = (key: string) => client.ask('tool.call', { contract_id, key, tool: 'shout', input })
    const first = await call('first')
    expect(first).to.deep.nested.include({ 'error.code': 'PROFILE_VIOLATED', 'error.retry': 'never' })
    expect(first).to.have.nested.property('error.detail', "The profile of the key does not allow the tool 'shout'")
    for (let at = 0; at < 20; at++) await call(`more ${at}`)
    stage.clock.advance(60_000)
    const trail = await settledTrail(stage.hub, (events) => events.filter(({ type }) => type === 'profile.violated').length >= 2)
    const rows = trail.filter(({ type }) => type === 'profile.violated').map(({ data }) => data)
    expect(rows.map(({ count = 1 }) => count)).to.deep.equal([1, 20])
    for (const row of rows) {
      expect(row).to.deep.include({
        severity: 'security',
        actor: { type: 'agent', id: as.id },
        subject: { type: 'contract', id: contract_id },
      })
      expect(row.metadata).to.deep.include({ rule: 'allowed_tools', reason: "The profile of the key does not allow the tool 'shout'" })
      expect(row.key_id).to.be.a('string')
    }
  })
})

async function dueAt({ hub }: Stage, timer: string): Promise<string | undefined> {
  const database = await openDatabaseOf(hub)
  const row = await database.collection<{ _id: string; due_at: Date }>('timers').findOne({ _id: timer })
  await database.close()
  return row?.due_at.toISOString()
}
