import { expect } from 'chai'
import type { BoundKey, BoundRefusal, FlagRecords, Profile } from '../../../shared/protocol/index.ts'
import { startHub } from '../../harness/hub.ts'
import { api, connectAgent, connectAs, type Person, registerAgent, signUp } from '../../harness/people.ts'
import { codeOf, type Home, makeHome, readLog, type Stage, setStage, until } from '../../scenarios/stage.ts'

interface Shown {
  flags: FlagRecords
  keys: BoundKey[]
  refused_bounds: BoundRefusal[]
}

describe('permissions in the room', () => {
  let stage: Stage
  let home: Home

  beforeEach(async () => {
    home = await makeHome()
    stage = await setStage({ like: home })
  })
  afterEach(async () => {
    await stage.mustBeSound()
    await stage.close()
  })

  const evidence = ['019a0000-0000-7000-8000-000000000001']
  /** Refused: the contract does not let the agent read attachments. */
  const tryEvidence = (key: string) =>
    stage.agent.askRaw('message.post', { contract_id: stage.contract_id, key, body: 'see this', evidence })
  const told = async (type: string) => (await readLog(stage.hub, stage.contract_id)).filter((event) => event.type === type)
  const shown = async ({ bearer }: { bearer: string }, hub = stage.hub) => {
    const { status, body } = await api<Shown>(hub, 'GET', `/contracts/${stage.contract_id}/permissions`, { bearer })
    expect(status).to.equal(200)
    return body
  }
  const issue = async (body: object) => {
    const { provider, hub } = stage
    const answer = await api<{ key_id: string; api_key: string }>(hub, 'POST', `/agents/${provider.id}/keys`, {
      body,
      bearer: provider.bearer,
    })
    expect(answer.status).to.equal(201)
    return answer.body
  }

  it('[PERM-13] a refusal is an event of the room at once, for both parties, and is there for who comes later', async () => {
    const { contract_id, provider, agent, human, clock } = stage
    await agent.must('room.join', { contract_id })
    await tryEvidence('one')
    const data = {
      ...{ agent_id: provider.id, lacks: 'can_read_attachments', denied_by: 'contract', what: 'message.post' },
      ...{ last_at: new Date(clock.now()).toISOString(), count: 1 },
    }
    for (const party of [human, agent]) {
      const event = await party.event(contract_id, 'permission.refused')
      expect(event.data).to.deep.equal(data)
      expect(event).to.deep.include({ by: { kind: 'system', id: 'system' } })
    }
    const late = await connectAs(stage.hub, stage.requester)
    await late.must('room.join', { contract_id, since: 0 })
    expect((await late.event(contract_id, 'permission.refused')).data).to.deep.equal(data)
    late.close()
  })

  it('[PERM-14] refusals of one kind are counted: a hundred make two events, and who asks any hub finds all of them', async () => {
    const { contract_id, human, clock, requester } = stage
    for (let at = 0; at < 100; at++) await tryEvidence(`try ${at}`)
    await human.event(contract_id, 'permission.refused')
    clock.advance(60_000)
    await human.event(contract_id, 'permission.refused', (event) => countOf(event) === 99)
    expect((await told('permission.refused')).map(countOf)).to.deep.equal([1, 99])
    const other = await startHub({ clock, like: home })
    const { flags } = await shown(requester, other)
    expect(flags.can_read_attachments.refusals, 'written before it was told').to.equal(100)
    await other.close()
    for (const key of ['again', 'and again']) await tryEvidence(key)
    clock.advance(60_000)
    await tryEvidence('and again')
    clock.advance(60_000)
    await human.event(contract_id, 'permission.refused', (event) => countOf(event) === 3)
    expect((await told('permission.refused')).length, 'the second window is twice as long').to.equal(3)
  })

  it('[PERM-14] what was counted and not told yet is told when the hub closes', async () => {
    for (const key of ['one', 'two', 'three']) await tryEvidence(key)
    await stage.human.event(stage.contract_id, 'permission.refused')
    await stage.close()
    const next = await startHub({ clock: stage.clock, like: home })
    const refusals = (await readLog(next, stage.contract_id)).filter(({ type }) => type === 'permission.refused')
    expect(refusals.map(countOf)).to.deep.equal([1, 2])
    await next.close()
    stage = await setStage({ like: home })
  })

  it('[PERM-15] a use of a permission writes nothing to the room: its last use is that of the newest event which rests on it', async () => {
    const { contract_id, agent, requester } = stage
    const before = (await readLog(stage.hub, contract_id)).length
    let seq = 0
    for (const key of ['a', 'b', 'c']) ({ seq } = await agent.must('message.post', { contract_id, key, body: key }))
    expect((await readLog(stage.hub, contract_id)).length).to.equal(before + 3)
    expect((await shown(requester)).flags.can_message_requester.last_used).to.deep.include({ what: 'message.post', seq })
  })

  it('[PERM-16] both parties see what bounds each good key of the agent, and nothing that helps to use it', async () => {
    const { requester, provider, hub } = stage
    const bounds: Profile = { allowed_tools: ['shout'], max_concurrent_tasks: 3, max_cost_per_task: 1.5, network_access: false }
    const stranger = await signUp(hub)
    // Oldest first: of keys of one millisecond none is.
    stage.clock.advance(1)
    const { key_id, api_key } = await issue({ name: 'our secret plan', profile: { ...bounds, allowed_agents: [provider.id] } })
    for (const party of [requester, provider, { bearer: hub.operator_token }]) {
      const { keys } = await shown(party)
      const bound = keys.find((key) => key.key_id === key_id)
      expect(bound).to.have.all.keys('key_id', 'issued_at', 'expires_at', 'profile')
      expect(bound?.profile).to.deep.equal({ ...bounds, allowed_agents_count: 1 })
      expect(keys.filter((key) => key !== bound).map(({ profile }) => profile)).to.deep.equal([null])
    }
    const text = JSON.stringify(await shown(requester))
    for (const secret of [api_key, 'our secret plan']) expect(text).not.to.contain(secret)
    const { bearer } = stranger
    expect((await api(hub, 'GET', `/contracts/${stage.contract_id}/permissions`, { bearer })).status).to.equal(404)
    expect((await api(hub, 'DELETE', `/agents/${provider.id}/keys/${key_id}`, { bearer: provider.bearer })).status).to.equal(204)
    expect((await shown(requester)).keys.length).to.equal(1)
  })

  it('[PERM-17] a new key is an event in every open room of the agent, with the names of its bounds; one that replaces another too', async () => {
    const { contract_id, human, provider, hub } = stage
    const { key_id } = await issue({ profile: { allowed_tools: [], max_execution_seconds: 60 } })
    const event = await human.event(contract_id, 'key.issued')
    expect(event.data).to.deep.equal({ agent_id: provider.id, key_id, bounds: ['allowed_tools', 'max_execution_seconds'] })
    const path = `/agents/${provider.id}/keys/${key_id}/rotations`
    const { status, body } = await api<{ key_id: string }>(hub, 'POST', path, { body: { grace_period_s: 60 }, bearer: provider.bearer })
    expect(status).to.equal(201)
    const next = await human.event(contract_id, 'key.issued', ({ seq }) => seq > event.seq)
    expect(next.data).to.deep.equal({ agent_id: provider.id, key_id: body.key_id, bounds: ['allowed_tools', 'max_execution_seconds'] })
    stage.clock.advance(60_000)
    await until('nothing is told twice', async () => (await told('key.issued')).length === 2)
  })

  it('[PERM-18] what passes a bound of the key is refused in the room with that bound, and counted by it', async () => {
    const { contract_id, requester, provider, hub, human } = stage
    const { api_key } = await issue({ profile: { allowed_tools: [] } })
    const bound: Person = { id: provider.id, auth: { key: api_key }, bearer: api_key }
    const client = await connectAs(hub, bound)
    await client.must('room.join', { contract_id })
    const refused = await client.ask('tool.call', { contract_id, key: 'a', tool: 'shout', input: { text: 'hello' } })
    expect(refused).to.deep.nested.include({ 'error.code': 'PROFILE_VIOLATED' })
    expect((await human.event(contract_id, 'permission.refused')).data).to.deep.include({
      ...{ agent_id: provider.id, lacks: 'allowed_tools', denied_by: 'key', what: 'tool.call', count: 1 },
    })
    const { refused_bounds } = await shown(requester)
    expect(refused_bounds.map(({ rule, refusals }) => ({ rule, refusals }))).to.deep.equal([{ rule: 'allowed_tools', refusals: 1 }])
    client.close()
  })

  it('[PERM-19] a stranger’s agent leaves no trace in a room that it only names, whatever it is refused', async () => {
    const { contract_id, requester, hub, human } = stage
    const stranger = await registerAgent(hub)
    const body = { profile: { allowed_tools: [] } }
    const issued = await api<{ api_key: string }>(hub, 'POST', `/agents/${stranger.id}/keys`, { body, bearer: stranger.bearer })
    const { api_key } = issued.body
    const client = await connectAgent(hub, { id: stranger.id, auth: { key: api_key }, bearer: api_key })
    const tools = [{ name: 'forbidden', description: 'x', input_schema: {} }]
    const codes = [
      codeOf(await client.askRaw('agent.tools.register', { tools, contract_id })),
      codeOf(await client.askRaw('tool.call', { contract_id, key: 'a', tool: 'shout', input: {} })),
    ]
    expect(codes).to.deep.equal(['PROFILE_VIOLATED', 'NOT_FOUND'])
    await tryEvidence('by the agent itself')
    await human.event(contract_id, 'permission.refused')
    expect((await told('permission.refused')).map(({ data }) => data['agent_id'])).to.deep.equal([stage.provider.id])
    const { refused_bounds, flags } = await shown(requester)
    expect([refused_bounds, flags.can_read_attachments.refusals]).to.deep.equal([[], 1])
    client.close()
  })
})

function countOf(event: object): unknown {
  return 'data' in event ? (event.data as { count?: number }).count : undefined
}
