import { expect } from 'chai'
import type { FlagRecords } from '../../../shared/protocol/index.ts'
import { startHub } from '../../harness/hub.ts'
import { api, type Person, signUp } from '../../harness/people.ts'
import { type Home, makeHome, openDatabaseOf, type Stage, setStage, until } from '../../scenarios/stage.ts'

describe('what becomes of permissions', () => {
  let stage: Stage
  let owner: Person
  let home: Home

  beforeEach(async () => {
    home = await makeHome()
    stage = await setStage({ like: home })
    owner = await signUp(stage.hub)
    const { provider, hub } = stage
    await api(hub, 'POST', `/agents/${provider.id}/claim`, { body: { api_key: provider.bearer }, bearer: owner.bearer })
  })
  afterEach(async () => {
    await stage.mustBeSound()
    await stage.close()
  })

  const ofContract = () => `/contracts/${stage.contract_id}/permissions`
  const ofAgent = () => `/agents/${stage.provider.id}/permissions`
  const now = () => new Date(stage.clock.now()).toISOString()
  const say = (key: string, more: object = {}) =>
    stage.agent.askRaw('message.post', { contract_id: stage.contract_id, key, body: key, ...more })

  async function flags(path: string, { bearer }: { bearer: string }, hub = stage.hub): Promise<FlagRecords> {
    const { status, body } = await api<{ flags: FlagRecords }>(hub, 'GET', path, { bearer })
    expect(status).to.equal(200)
    return body.flags
  }

  async function put(path: string, { bearer }: { bearer: string }, body: object): Promise<void> {
    expect((await api(stage.hub, 'PUT', path, { body, bearer })).status).to.equal(200)
  }

  it('[PERM-9] both sides see who set each flag and when, what used it last, and what was refused, how often and last', async () => {
    const { contract_id, requester, provider, hub, clock } = stage
    const opened_at = now()
    const operator = (await api<{ id: string }>(hub, 'GET', '/me', { bearer: hub.operator_token })).body.id
    const untouched = { last_used: null, refusals: 0, last_refused: null }
    for (const flag of Object.values(await flags(ofContract(), requester)))
      expect(flag).to.deep.equal({ granted_by: { kind: 'user', id: operator }, granted_at: opened_at, ...untouched })
    for (const flag of Object.values(await flags(ofAgent(), owner)))
      expect(flag).to.deep.equal({ granted_by: { kind: 'system', id: 'system' }, granted_at: opened_at, ...untouched })

    clock.advance(1_000)
    await put(ofContract(), requester, { can_read_attachments: true, can_message_requester: true })
    await put(ofAgent(), owner, { can_access_web: true })
    const granted_at = now()
    await say('a note', { visibility: 'staff' })
    const first = await flags(ofContract(), provider)
    expect(first.can_read_attachments).to.deep.include({ granted_by: { kind: 'user', id: requester.id }, granted_at })
    expect(first.can_message_requester, 'it was so before, and a note does not use it').to.deep.include({
      granted_at: opened_at,
      last_used: null,
    })
    expect((await flags(ofAgent(), provider)).can_access_web).to.deep.include({ granted_by: { kind: 'user', id: owner.id }, granted_at })

    clock.advance(1_000)
    await say('one')
    clock.advance(1_000)
    const { seq } = (await say('two')) as unknown as { seq: number }
    const last_used = { at: now(), what: 'message.post', contract_id, seq }
    clock.advance(1_000)
    const evidence = ['019a0000-0000-7000-8000-000000000001']
    for (const key of ['three', 'four']) await say(key, { evidence })
    const last_refused = { at: now(), what: 'message.post', contract_id, denied_by: 'agent' }
    for (const as of [requester, provider, owner, { bearer: hub.operator_token }]) {
      const seen = await flags(ofContract(), as)
      expect(seen.can_message_requester).to.deep.include({ ...untouched, last_used })
      expect(seen.can_read_attachments).to.deep.include({ last_used: null, refusals: 2, last_refused })
    }
    for (const as of [provider, owner, { bearer: hub.operator_token }]) {
      const seen = await flags(ofAgent(), as)
      expect(seen.can_message_requester).to.deep.include({ ...untouched, last_used })
      expect(seen.can_read_attachments).to.deep.include({ last_used: null, refusals: 2, last_refused })
    }

    await put(ofContract(), requester, { can_message_requester: false })
    clock.advance(1_000)
    const call_id = await stage.call('call')
    await stage.agent.askRaw('tool.cancel', { contract_id, call_id, reason: 'no time' })
    const after = (await flags(ofContract(), requester)).can_message_requester
    expect(after).to.deep.include({ last_used, refusals: 1 })
    expect(after.last_refused).to.deep.equal({ at: now(), what: 'tool.cancel', contract_id, denied_by: 'contract' })
    expect((await api(hub, 'GET', ofContract(), { bearer: (await signUp(hub)).bearer })).status).to.equal(404)
  })

  it('[PERM-10] uses are gathered, and written after half a minute, at the end, or when somebody asks', async () => {
    const database = await openDatabaseOf(stage.hub)
    const written = () => database.collection('permission_uses').countDocuments()
    for (const key of ['one', 'two', 'three']) await say(key)
    stage.clock.advance(29_999)
    expect(await written()).to.equal(0)
    stage.clock.advance(1)
    await until('both are written', async () => (await written()) === 2)
    for (const key of ['denied', 'again']) await say(key, { evidence: ['019a0000-0000-7000-8000-000000000001'] })
    expect((await flags(ofContract(), stage.requester)).can_read_attachments.refusals).to.equal(2)
    const { seq } = (await say('last')) as unknown as { seq: number }
    await database.close()
    await stage.close()
    const hub = await startHub({ clock: stage.clock, like: home })
    const { can_message_requester, can_read_attachments } = await flags(ofContract(), { bearer: hub.operator_token }, hub)
    expect([can_message_requester.last_used?.seq, can_read_attachments.refusals]).to.deep.equal([seq, 2])
    await hub.close()
    stage = await setStage()
  })

  it('[PERM-11] the trail shows the flags that a contract was opened with, and each change, with who set them', async () => {
    const { contract_id, requester, provider, hub } = stage
    await put(ofContract(), requester, { can_access_web: true })
    await put(ofAgent(), owner, { can_message_requester: false })
    const path = `/audit?subject=contract:${contract_id}&sort_order=asc`
    type Item = { event_type: string; actor: object; metadata: Record<string, unknown> }
    const { body } = await api<{ items: Item[] }>(hub, 'GET', path, { bearer: hub.operator_token })
    const nothing = { can_read_attachments: false, can_access_web: false, can_run_code_sandbox: false, can_message_requester: false }
    const found = body.items.filter(({ metadata }) => 'permissions' in metadata)
    expect(found.map(({ event_type, metadata: { of, permissions } }) => [event_type, of, permissions])).to.have.deep.members([
      ['contract.opened', undefined, { ...nothing, can_message_requester: true }],
      ['permissions.changed', 'contract', { ...nothing, can_access_web: true, can_message_requester: true }],
      ['permissions.changed', 'agent', nothing],
    ])
    const operator = (await api<{ id: string }>(hub, 'GET', '/me', { bearer: hub.operator_token })).body.id
    const by = (type: string, of?: string) => found.find(({ event_type, metadata }) => event_type === type && metadata['of'] === of)?.actor
    expect(by('contract.opened')).to.deep.equal({ type: 'human', id: operator })
    expect(by('permissions.changed', 'contract')).to.deep.equal({ type: 'human', id: requester.id })
    const ofAgents = await api<{ items: Item[] }>(hub, 'GET', `/audit?subject=agent:${provider.id}&type=agent.permissions_changed`, {
      bearer: hub.operator_token,
    })
    expect(ofAgents.body.items[0]).to.deep.include({ actor: { type: 'human', id: owner.id }, metadata: { can_message_requester: false } })
  })
})
