import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, connectAs, openClient, openContract, registerAgent, signUp } from '../../harness/people.ts'
import { readTrail, settledTrail, type TrailEvent } from './read-trail.ts'

const MINUTE_MS = 60_000
const FLOOD = 100_000
const hello = { protocol: 1, agent: { name: 'not an agent', version: '1' } }

describe('the audit trail: refusals', () => {
  let hub: TestHub
  const clock = createManualClock()
  // Wide: this file floods the doors, and wants each refusal to be what it is about.
  const limits = { frames_per_s: 1_000_000, frames_burst: 1_000_000, principal_frames_per_s: 1_000_000, bytes_per_s: 1_000_000_000 }

  before(async () => {
    hub = await startHub({ clock, limits })
  })
  after(() => hub.close())

  const denied = (events: TrailEvent[]) => events.filter(({ type }) => type === 'security.denied')

  it('[AUDIT-3] what is turned away at a door is recorded: who, where, with which code, about what', async () => {
    const { contract_id } = await openContract(hub)
    const stranger = await signUp(hub)
    const agent = await registerAgent(hub)
    await api(hub, 'GET', '/me', { bearer: 'not a token' })
    await api(hub, 'GET', '/me')
    await api(hub, 'GET', `/contracts/${contract_id}`, { bearer: stranger.bearer })
    await api(hub, 'POST', '/users', { bearer: agent.bearer, body: {} })
    const client = await connectAs(hub, stranger)
    await client.ask('room.join', { contract_id })
    client.close()
    const bad = openClient(hub, { key: 'pk_agent_live_nonsense' })
    await new Promise((resolve) => bad.socket.once('connect_error', resolve))
    bad.close()

    const trail = await settledTrail(hub, (events) => denied(events).length >= 6)
    const short = denied(trail).map(({ data: { severity, actor, subject, metadata } }) => [
      `${metadata['code']} ${metadata['door']}`,
      ...[severity, actor.type === 'anonymous' ? actor.type : actor.id, `${subject.type}:${subject.id}`],
    ])
    expect(short).to.have.deep.members([
      ['UNAUTHENTICATED GET /me', 'security', 'anonymous', 'door:GET /me'],
      ['UNAUTHENTICATED GET /me', 'info', 'anonymous', 'door:GET /me'],
      ['NOT_FOUND GET /contracts/:id', 'security', stranger.id, `contract:${contract_id}`],
      ['PERMISSION_DENIED POST /users', 'security', agent.id, 'door:POST /users'],
      ['NOT_FOUND frame room.join', 'security', stranger.id, `contract:${contract_id}`],
      ['UNAUTHENTICATED handshake', 'security', 'anonymous', 'door:handshake'],
    ])
    const by_key = denied(trail).find(({ data }) => data.metadata['door'] === 'POST /users')
    expect(by_key?.data.key_id).to.be.a('string')
  })

  it('[AUDIT-26] a key that has ended is named, with why and where, to the owner too; who shows it is told what anyone with a bad key is', async () => {
    const owner = await signUp(hub)
    const made = await api<{ agent_id: string }>(hub, 'POST', '/agents', { body: { name: 'Owned' }, bearer: owner.bearer })
    const { agent_id } = made.body
    const issue = async () =>
      (await api<{ key_id: string; api_key: string }>(hub, 'POST', `/agents/${agent_id}/keys`, { body: {}, bearer: owner.bearer })).body
    const { key_id, api_key } = await issue()
    const other = await issue()
    for (const one of [key_id, other.key_id]) await api(hub, 'DELETE', `/agents/${agent_id}/keys/${one}`, { bearer: owner.bearer })
    const shown = await api<{ correlation_id: string }>(hub, 'GET', '/me', { bearer: api_key })
    const wrong = await api<{ correlation_id: string }>(hub, 'GET', '/me', { bearer: `${api_key.slice(0, -1)}x` })
    const client = openClient(hub, { key: other.api_key })
    await new Promise((resolve) => client.socket.once('connect_error', resolve))
    client.close()
    expect({ ...shown.body, correlation_id: '' }).to.deep.equal({ ...wrong.body, correlation_id: '' })
    const refused = (events: TrailEvent[]) => events.filter(({ type }) => type === 'key.refused')
    const told = refused(await settledTrail(hub, (events) => refused(events).length >= 2)).map(({ data }) => data)
    expect(told.map(({ subject, metadata, key_id: named }) => [subject, metadata, named])).to.deep.equal([
      [{ type: 'key', id: key_id }, { reason: 'revoked', door: 'GET /me' }, key_id],
      [{ type: 'key', id: other.key_id }, { reason: 'revoked', door: 'handshake' }, other.key_id],
    ])
    expect(told[0]?.correlation_id).to.equal(shown.body.correlation_id)
    const found = await api<{ total: number }>(hub, 'GET', `/audit?type=key.refused&agent_id=${agent_id}`, { bearer: owner.bearer })
    expect(found.body.total).to.equal(2)
  })

  it('[AUDIT-3] what is not there at all is nobody’s secret, and no refusal to record', async () => {
    const before = denied((await readTrail(hub)).events).length
    const ada = await signUp(hub)
    await api(hub, 'GET', '/contracts/00000000-0000-7000-8000-000000000000', { bearer: ada.bearer })
    const mark = await signUp(hub)
    const trail = await settledTrail(hub, (events) => events.some(({ data }) => data.subject.id === mark.id))
    expect(denied(trail).length).to.equal(before)
  })

  it('[AUDIT-4] a flood of 100,000 refusals is a handful of rows that count them all', async () => {
    const flooder = await signUp(hub)
    const mine = (events: TrailEvent[]) => denied(events).filter(({ data }) => data.actor.id === flooder.id)
    const counted = (events: TrailEvent[]) => mine(events).reduce((sum, { data }) => sum + (data.count ?? 1), 0)
    const client = await connectAs(hub, flooder)
    for (let sent = 0; sent < FLOOD; sent += 1_000) {
      await Promise.all(Array.from({ length: 1_000 }, () => client.askRaw('agent.hello', hello)))
      if (sent % 25_000 === 0) clock.advance(MINUTE_MS)
    }
    client.close()
    clock.advance(60 * MINUTE_MS)
    const rows = mine(await settledTrail(hub, (events) => counted(events) >= FLOOD))
    expect(counted(rows)).to.equal(FLOOD)
    expect(rows.length).to.be.within(2, 8)
    for (const { data, at } of rows.filter(({ data }) => data.count !== undefined))
      expect(Date.parse(data.first_at ?? '')).to.be.at.most(Date.parse(at))
  })

  it('[AUDIT-4] a window that has passed without another says nothing more', async () => {
    const ada = await signUp(hub)
    await api(hub, 'POST', '/users', { bearer: ada.bearer, body: {} })
    clock.advance(120 * MINUTE_MS)
    const mark = await signUp(hub)
    const trail = await settledTrail(hub, (events) => events.some(({ data }) => data.subject.id === mark.id))
    const rows = denied(trail).filter(({ data }) => data.actor.id === ada.id)
    expect(rows.map(({ data }) => data.count ?? 1)).to.deep.equal([1])
  })
})
