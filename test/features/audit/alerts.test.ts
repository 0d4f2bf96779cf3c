import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, connectAgent, registerAgent } from '../../harness/people.ts'
import { settledTrail } from './read-trail.ts'

interface Line {
  level: string
  event: string
  details: Record<string, unknown>
}

describe('the audit trail: alerts', () => {
  let hub: TestHub
  const lines: Line[] = []

  before(async () => {
    hub = await startHub({ clock: createManualClock(), onLog: (level, event, details = {}) => lines.push({ level, event, details }) })
  })
  after(() => hub.close())

  const alerts = () => lines.filter(({ event }) => event === 'audit.alert')

  it('[AUDIT-28] a stolen refresh token and a key against its profile are told at level error, with their event', async () => {
    const [email, password] = [`${randomUUID()}@parley.invalid`, 'correct horse battery']
    const bearer = hub.operator_token
    const { user_id } = (
      await api<{ user_id: string }>(hub, 'POST', '/users', { body: { email, name: 'Ann', password, roles: ['requester'] }, bearer })
    ).body
    const { refresh_token } = (await api<{ refresh_token: string }>(hub, 'POST', '/sessions', { body: { email, password } })).body
    await api(hub, 'POST', '/sessions/refresh', { body: { refresh_token } })
    expect(alerts()).to.deep.equal([])
    await api(hub, 'POST', '/sessions/refresh', { body: { refresh_token } })

    const agent = await registerAgent(hub)
    const asked = { body: { profile: { allowed_tools: ['other'] } }, bearer: agent.bearer }
    const { api_key } = (await api<{ api_key: string }>(hub, 'POST', `/agents/${agent.id}/keys`, asked)).body
    const client = await connectAgent(hub, { id: agent.id, auth: { key: api_key }, bearer: api_key })
    await client.ask('agent.tools.register', { tools: [{ name: 'weigh', description: 'weighs', input_schema: {} }] })
    client.close()

    const trail = await settledTrail(hub, (events) => events.some(({ type }) => type === 'profile.violated'))
    const of = (type: string) => trail.find((event) => event.type === type)
    expect(alerts().map(({ level, details }) => [level, details['event_type'], details['event_id'], details['subject']])).to.deep.equal([
      ['error', 'session.reused', of('session.reused')?.key, { type: 'user', id: user_id }],
      ['error', 'profile.violated', of('profile.violated')?.key, of('profile.violated')?.data.subject],
    ])
    const said = JSON.stringify(alerts())
    for (const secret of [refresh_token, api_key, password]) expect(said).to.not.include(secret)
    const metrics = await (await fetch(`${hub.url}/metrics`)).text()
    for (const type of ['session.reused', 'profile.violated']) expect(metrics).to.include(`parley_audit_alerts_total{type="${type}"} 1`)
  })
})
