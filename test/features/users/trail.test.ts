import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api } from '../../harness/people.ts'
import { settledTrail, type TrailEvent } from '../audit/read-trail.ts'

const PASSWORD = 'correct horse battery'
const NEW_PASSWORD = 'another horse battery'

describe('users in the audit trail', () => {
  let hub: TestHub

  before(async () => {
    hub = await startHub({ clock: createManualClock() })
  })
  after(() => hub.close())

  type Body = Record<string, string>
  const ask = (method: string, path: string, { body, bearer }: { body?: unknown; bearer?: string | undefined } = {}) =>
    api<Body>(hub, method, path, { ...(body === undefined ? {} : { body }), ...(bearer === undefined ? {} : { bearer }) })

  it('[USER-17] what is done to users, passwords, links and sessions is recorded with who did it and to whom, and without secrets', async () => {
    const operator = { bearer: hub.operator_token }
    const { id: operator_id } = (await ask('GET', '/me', operator)).body
    const email = 'ann@example.org'
    const invited = (await ask('POST', '/invitations', { body: { email, name: 'Ann', roles: ['requester'] }, ...operator })).body
    const { user_id } = invited
    const [invitation] = [String(invited['url']).split('#token=')[1]]
    await ask('POST', '/invitations/redeem', { body: { token: invitation, password: PASSWORD } })
    await ask('POST', '/invitations/redeem', { body: { token: invitation, password: PASSWORD } })
    await ask('POST', '/sessions', { body: { email, password: 'wrong' } })
    const signIn = async (password: string) => (await ask('POST', '/sessions', { body: { email, password } })).body
    const first = await signIn(PASSWORD)
    const change = { current_password: PASSWORD, new_password: NEW_PASSWORD }
    const second = (await ask('PUT', '/users/me/password', { body: change, bearer: first['access_token'] })).body
    await ask('POST', '/sessions/refresh', { body: { refresh_token: second['refresh_token'] } })
    await ask('POST', '/sessions/refresh', { body: { refresh_token: second['refresh_token'] } })
    const third = await signIn(NEW_PASSWORD)
    await ask('DELETE', '/sessions/current', { bearer: third['access_token'] })
    await ask('DELETE', '/sessions', { bearer: (await signIn(NEW_PASSWORD))['access_token'] })
    await ask('POST', '/password-resets', { body: { email } })
    const { url } = (await ask('POST', `/users/${user_id}/password-reset-links`, operator)).body
    await ask('POST', '/password-resets/redeem', { body: { token: url?.split('#token=')[1], password: PASSWORD } })
    await ask('PATCH', `/users/${user_id}`, { body: { roles: ['reviewer'], status: 'disabled' }, ...operator })

    const trail = await settledTrail(hub, (events) => events.some(({ type }) => type === 'user.updated'))
    const of = (id: string | undefined) => (id === operator_id ? 'operator' : id === user_id ? 'ann' : id)
    const told = ({ type, data: { actor, subject, metadata } }: TrailEvent) =>
      `${type} by ${actor.type === 'anonymous' ? 'someone' : of(actor.id)} to ${of(subject.id)}${metadata['method'] ? ` (${metadata['method']})` : ''}`
    expect(trail.filter(({ type }) => /^(user|session|password)/.test(type)).map(told)).to.have.members([
      'user.invited by operator to ann',
      'user.password_changed by someone to ann (invitation)',
      'user.signed_in by ann to ann (invitation)',
      'user.sign_in_failed by someone to unknown (invitation)',
      'user.sign_in_failed by someone to ann (password)',
      'user.signed_in by ann to ann (password)',
      'user.password_changed by ann to ann (password)',
      'user.signed_in by ann to ann (password)',
      'session.reused by someone to ann',
      'user.signed_in by ann to ann (password)',
      'user.signed_out by ann to ann',
      'user.signed_in by ann to ann (password)',
      'session.revoked by ann to ann',
      'user.reset_asked by someone to ann',
      'password_reset_link.created by operator to ann',
      'user.password_changed by someone to ann (password-reset)',
      'user.signed_in by ann to ann (password-reset)',
      'user.updated by operator to ann',
    ])
    const { data } = trail.find(({ type }) => type === 'user.updated') ?? {}
    expect(data?.metadata).to.deep.include({ roles: ['reviewer'], status: 'disabled' })
    const text = JSON.stringify(trail)
    for (const secret of [PASSWORD, NEW_PASSWORD, invitation, first['access_token'], second['refresh_token'], url]) {
      expect(text).to.not.include(String(secret))
    }
  })
})
