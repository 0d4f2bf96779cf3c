import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { registerAgent, signUp } from '../../harness/people.ts'
import { readTrail, settledTrail } from './read-trail.ts'

describe('the audit trail', () => {
  let hub: TestHub
  const clock = createManualClock()

  before(async () => {
    hub = await startHub({ clock })
  })
  after(() => hub.close())

  it('[AUDIT-1] who is made, registered or signed in, and who fails to, is recorded with actor, subject, key and correlation id', async () => {
    const ada = await signUp(hub, ['requester'], 'Ada')
    const agent = await registerAgent(hub, 'Scribe')
    await hub.post('/sessions', { email: 'nobody@parley.invalid', password: 'not the password' })
    const trail = await settledTrail(hub, (events) => events.some(({ type }) => type === 'user.sign_in_failed'))
    const short = trail.map(({ type, data }) => [type, data.severity, data.actor.type, `${data.subject.type}:${data.subject.id}`])
    const stream = trail[0]?.data.subject.id
    expect(short).to.deep.include.members([
      ['hub.started', 'info', 'system', `hub:${stream}`],
      ['user.created', 'security', 'human', `user:${ada.id}`],
      ['user.signed_in', 'info', 'human', `user:${ada.id}`],
      ['agent.registered', 'security', 'anonymous', `agent:${agent.id}`],
      ['user.sign_in_failed', 'security', 'anonymous', 'user:unknown'],
    ])
    for (const { type, data } of trail) if (type !== 'hub.started') expect(data.correlation_id, type).to.match(/^[0-9a-f-]{32,36}$/)
    expect(trail.find(({ type }) => type === 'agent.registered')?.data.key_id).to.be.a('string')
  })

  it('[AUDIT-2] the trail is a log of the node: gapless, and tied by its chain', async () => {
    const { seqs, ok } = await readTrail(hub)
    expect({ seqs, ok }).to.deep.equal({ seqs: seqs.map((_, at) => at + 1), ok: true })
  })
})
