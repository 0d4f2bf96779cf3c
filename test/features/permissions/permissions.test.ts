import { expect } from 'chai'
import type { FlagRecords } from '../../../shared/protocol/index.ts'
import { api, type Client, connectAs, openContract, type Person, signUp } from '../../harness/people.ts'
import { codeOf, readLog, type Stage, setStage } from '../../scenarios/stage.ts'

type Flags = Record<string, unknown>

describe('permissions', () => {
  let stage: Stage
  let owner: Person
  let clients: Client[]

  beforeEach(async () => {
    stage = await setStage()
    clients = []
    owner = await signUp(stage.hub)
    const { provider, hub } = stage
    await api(hub, 'POST', `/agents/${provider.id}/claim`, { body: { api_key: provider.bearer }, bearer: owner.bearer })
  })
  afterEach(async () => {
    for (const client of clients) client.close()
    await stage.mustBeSound()
    await stage.close()
  })

  const ofContract = () => `/contracts/${stage.contract_id}/permissions`
  const ofAgent = () => `/agents/${stage.provider.id}/permissions`
  const put = (path: string, as: { bearer: string }, body: Flags, etag?: string) =>
    fetch(stage.hub.url + path, {
      method: 'PUT',
      headers: { authorization: `Bearer ${as.bearer}`, 'content-type': 'application/json', ...(etag ? { 'if-match': etag } : {}) },
      body: JSON.stringify(body),
    }).then(async (response) => ({
      status: response.status,
      body: (await response.json()) as Flags,
      etag: response.headers.get('etag') ?? '',
    }))
  const say = (key: string, more: object = {}) =>
    stage.agent.askRaw('message.post', { contract_id: stage.contract_id, key, body: key, ...more })
  const staff = () => ({ bearer: stage.hub.operator_token })

  it('[PERM-1] the owner and staff set an agent’s flags, the requester and staff a contract’s; a change merges and answers all flags', async () => {
    const { requester, provider } = stage
    for (const as of [owner, staff()]) {
      const { status, body } = await put(ofAgent(), as, { can_access_web: as === owner })
      expect([status, body['can_access_web'], body['can_message_requester']]).to.deep.equal([200, as === owner, true])
    }
    for (const as of [requester, staff()]) {
      const { status, body } = await put(ofContract(), as, { can_access_web: as === requester })
      expect([status, body['can_access_web'], body['can_message_requester']]).to.deep.equal([200, as === requester, true])
    }
    const eve = await signUp(stage.hub)
    expect((await put(ofAgent(), provider, { can_access_web: true })).status).to.equal(403)
    expect((await put(ofContract(), provider, { can_access_web: true })).status).to.equal(403)
    expect((await put(ofContract(), owner, { can_access_web: true })).status).to.equal(403)
    for (const path of [ofAgent(), ofContract()]) {
      expect((await put(path, eve, { can_access_web: true })).status).to.equal(404)
      expect((await put(path, staff(), { can_fly: true })).status).to.equal(400)
    }
    const seen = await api<{ in_force: Flags; set: { contract: Flags; agent: Flags } }>(stage.hub, 'GET', ofContract(), {
      bearer: provider.bearer,
    })
    expect(seen.body.in_force).to.include({ can_access_web: false, can_message_requester: true })
    expect(seen.body.set.contract['can_access_web']).to.have.nested.property('by.kind', 'user')
    expect(seen.body.set.agent['can_access_web']).to.have.nested.property('by.kind', 'user')
  })

  it('[PERM-2] both must allow it: what either takes away is refused from that event on, and a given one is in force behind its own', async () => {
    expect(codeOf(await say('one'))).to.equal('ok')
    for (const [path, as] of [
      [ofContract(), stage.requester],
      [ofAgent(), owner],
    ] as const) {
      await put(path, as, { can_message_requester: false })
      const refused = await say(`denied ${path}`)
      expect(refused).to.have.nested.property('error.facts.permission', 'can_message_requester')
      expect(codeOf(await say(`note ${path}`, { visibility: 'staff' }))).to.equal('ok')
      await put(path, as, { can_message_requester: true })
      expect(codeOf(await say(`again ${path}`))).to.equal('ok')
    }
    const log = await readLog(stage.hub, stage.contract_id)
    expect(
      log
        .filter(({ type }) => type === 'permissions.changed')
        .map(({ data }) => [data['of'], (data['permissions'] as Flags)['can_message_requester']]),
    ).to.deep.equal([
      ['contract', false],
      ['contract', true],
      ['agent', false],
      ['agent', true],
    ])
  })

  it('[PERM-3] under traffic no message of the agent stands behind the event that forbids it', async () => {
    let isOver = false
    const flow = (async () => {
      for (let at = 0; !isOver; at++) if (codeOf(await say(`${at}`)) === 'PERMISSION_DENIED') return at
      return 0
    })()
    await stage.human.event(stage.contract_id, 'message.posted')
    expect((await put(ofAgent(), owner, { can_message_requester: false })).status).to.equal(200)
    expect(await flow).to.be.above(0)
    isOver = true
    const types = (await readLog(stage.hub, stage.contract_id)).map(({ type }) => type)
    expect(types.lastIndexOf('message.posted')).to.be.below(types.indexOf('permissions.changed'))
  })

  it('[PERM-4] an agent’s flags are told in every open contract that it provides for, and a new one begins with them', async () => {
    const { hub, provider } = stage
    const other = await openContract(hub, { provider })
    await put(ofAgent(), owner, { can_message_requester: false })
    const grants = async (contract_id: string) => {
      const client = await connectAs(hub, provider)
      clients.push(client)
      return (await client.must('room.join', { contract_id })).view.access?.grants?.can_message_requester
    }
    const later = await openContract(hub, { provider })
    for (const { contract_id } of [stage, other, later]) expect(await grants(contract_id)).to.equal(false)
    const types = (await readLog(hub, later.contract_id)).map(({ type }) => type)
    expect(types).to.deep.equal(['contract.opened'])
    // The connection was opened when it still might.
    expect(codeOf(await stage.agent.ask('message.post', { contract_id: later.contract_id, key: 'k', body: 'x' }))).to.equal(
      'PERMISSION_DENIED',
    )
  })

  it('[PERM-6] a change that names what it has seen is refused when that is no longer there', async () => {
    for (const [path, as] of [
      [ofContract(), stage.requester],
      [ofAgent(), owner],
    ] as const) {
      const seen = (await api(stage.hub, 'GET', path, { bearer: as.bearer })).headers.get('etag') ?? ''
      const first = await put(path, as, { can_access_web: true }, seen)
      expect(first.status).to.equal(200)
      expect((await put(path, as, { can_access_web: false }, seen)).status).to.equal(412)
      expect((await put(path, as, { can_access_web: false }, first.etag)).status).to.equal(200)
    }
  })

  it('[PERM-12] the ETag is of all that is shown, so that nobody gets 304 for what has changed, and If-Match goes by the flags alone', async () => {
    const get = async (path: string, tag = '') => {
      const headers = { authorization: `Bearer ${stage.hub.operator_token}`, ...(tag ? { 'if-none-match': tag } : {}) }
      const response = await fetch(stage.hub.url + path, { headers })
      const text = await response.text()
      return { status: response.status, etag: response.headers.get('etag') ?? '', body: (text === '' ? {} : JSON.parse(text)) as Flags }
    }
    await put(ofContract(), stage.requester, { can_access_web: true })
    const seen = { [ofContract()]: await get(ofContract()), [ofAgent()]: await get(ofAgent()) }
    // Of the contract what is in force, of the agent who set it.
    await put(ofAgent(), owner, { can_access_web: true })
    await put(ofAgent(), owner, { can_access_web: false })
    await put(ofAgent(), staff(), { can_access_web: false })
    for (const [path, { etag, body }] of Object.entries(seen)) {
      const now = await get(path, etag)
      expect(now.status, path).to.equal(200)
      expect(now.body, path).to.not.deep.equal(body)
      expect(now.etag, path).to.not.equal(etag)
      expect((await get(path, now.etag)).status, path).to.equal(304)
      // The flags themselves are what they were.
      expect((await put(path, staff(), { can_run_code_sandbox: true }, etag)).status, path).to.equal(200)
      expect((await put(path, staff(), { can_run_code_sandbox: false }, etag)).status, path).to.equal(412)
    }
  })

  it('[PERM-7] evidence needs can_read_attachments, and the scope of the key', async () => {
    const evidence = ['019a0000-0000-7000-8000-000000000001']
    expect(await say('one', { evidence })).to.have.nested.property('error.facts.permission', 'can_read_attachments')
    await put(ofAgent(), owner, { can_read_attachments: true })
    expect(await say('two', { evidence })).to.have.nested.property('error.facts.by', 'contract')
    await put(ofContract(), stage.requester, { can_read_attachments: true })
    expect(codeOf(await say('three', { evidence })), 'it may, and there is none').to.equal('NOT_FOUND')
    const body = { scopes: ['rooms:read', 'rooms:write'] }
    const bearer = stage.provider.bearer
    const narrow = await api<{ api_key: string }>(stage.hub, 'POST', `/agents/${stage.provider.id}/keys`, { body, bearer })
    const client = await connectAs(stage.hub, { auth: { key: narrow.body.api_key } })
    clients.push(client)
    const refused = await client.askRaw('message.post', { contract_id: stage.contract_id, key: 'narrow', body: 'x', evidence })
    expect(refused).to.have.nested.property('error.facts.scope', 'attachments')
  })

  it('[KEY-16] a key without `rooms:read` sees what became of the agent’s permissions, and not in which contract', async () => {
    await say('one')
    await put(ofContract(), stage.requester, { can_message_requester: false })
    await say('two')
    const bearer = stage.provider.bearer
    const { body: narrow } = await api<{ api_key: string }>(stage.hub, 'POST', `/agents/${stage.provider.id}/keys`, {
      body: { scopes: ['agent'] },
      bearer,
    })
    for (const [as, isTold] of [
      [bearer, true],
      [narrow.api_key, false],
    ] as const) {
      const shown = (await api<{ flags: FlagRecords }>(stage.hub, 'GET', ofAgent(), { bearer: as })).body.flags.can_message_requester
      expect([shown.last_used?.what, shown.last_refused?.what, shown.refusals]).to.deep.equal(['message.post', 'message.post', 1])
      expect(JSON.stringify(shown).includes(stage.contract_id)).to.equal(isTold)
    }
  })

  it('[PERM-8] an agent that may not message the requester says nothing by a reason, an outcome or a call of its own either, live or in replay', async () => {
    const { agent, human, contract_id, requester, hub } = stage
    await put(ofContract(), requester, { can_message_requester: false })
    const call_id = await stage.call('one')
    const secret = 'meet me elsewhere'
    for (const refused of [
      await agent.ask('tool.cancel', { contract_id, call_id, reason: secret }),
      await agent.ask('contract.end', { contract_id, key: 'a', outcome: 'done', reason: secret }),
      await agent.ask('contract.end', { contract_id, key: 'b', outcome: secret }),
      await agent.ask('tool.call', { contract_id, key: 'c', tool: 'shout', input: { text: secret } }),
      await agent.ask('tool.call', { contract_id, key: 'd', tool: secret, input: {} }),
    ])
      expect(refused).to.deep.nested.include({ 'error.code': 'PERMISSION_DENIED', 'error.facts.permission': 'can_message_requester' })
    await agent.must('tool.cancel', { contract_id, call_id })
    await agent.must('contract.end', { contract_id, key: 'e', outcome: 'done' })
    await human.event(contract_id, 'contract.ended')
    const late = await connectAs(hub, requester)
    clients.push(late)
    await late.must('room.join', { contract_id, since: 0 })
    await late.event(contract_id, 'contract.ended')
    for (const reader of [human, late]) expect(JSON.stringify(reader.told)).not.to.include(secret)
  })

  it('[PERM-20] an agent that may not message the requester is still known by its name and its tools', async () => {
    const { agent, human, contract_id, requester, provider, hub } = stage
    await put(ofContract(), requester, { can_message_requester: false })
    expect(codeOf(await say('a post'))).to.equal('PERMISSION_DENIED')
    const { name } = (
      await api<{ name: string }>(hub, 'PATCH', `/agents/${provider.id}`, { body: { name: 'Anew' }, bearer: provider.bearer })
    ).body
    await agent.must('agent.tools.register', { tools: [{ name: 'weigh', description: 'Weighs a parcel', input_schema: {} }] })
    const { view } = await human.must('room.join', { contract_id })
    expect(view.tools.map((tool) => [tool.name, tool.description])).to.deep.include(['weigh', 'Weighs a parcel'])
    expect(view.members.find(({ id }) => id === provider.id)?.name).to.equal(name)
  })

  it('[PERM-8] with the permission, and for people, a reason is told', async () => {
    const { agent, human, contract_id } = stage
    const call_id = await stage.call('one')
    await agent.must('tool.cancel', { contract_id, call_id, reason: 'no time' })
    expect((await human.event(contract_id, 'call.cancel_requested')).data).to.include({ reason: 'no time' })
    await put(ofContract(), stage.requester, { can_message_requester: false })
    await human.must('contract.end', { contract_id, key: 'end', outcome: 'It was not what I asked for', reason: 'I changed my mind' })
    expect((await human.event(contract_id, 'contract.ended')).data).to.include({ reason: 'I changed my mind' })
  })
})
