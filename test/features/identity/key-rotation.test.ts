import { expect } from 'chai'
import { connectAs, type Person } from '../../harness/people.ts'
import { type Issued, type KeysStage, setKeysStage } from './keys-stage.ts'

describe('rotation of keys', () => {
  let stage: KeysStage
  let agent: Person
  let old: Issued

  before(async () => {
    stage = await setKeysStage()
  })
  beforeEach(async () => {
    agent = await stage.newAgent()
    old = await stage.issue(agent, { name: 'Night', scopes: ['rooms:read', 'keys'] })
  })
  after(() => stage.close())

  const typesOf = async ({ key_id }: Issued) => {
    const { body } = await stage.ask<{ items: { type: string }[] }>('GET', `/agents/${agent.id}/keys/${key_id}/history`, agent)
    return body.items.map(({ type }) => type)
  }
  const tried = async (...keys: Issued[]) => Promise.all(keys.map(stage.tried))

  it('[KEY-10] the old key goes on until the new one is used, then for its grace, and no longer', async () => {
    const next = await stage.rotate(agent, old.key_id, { grace_period_s: 3_600, reason: 'monthly' })
    expect(next).to.deep.include({ scopes: old.scopes, expires_at: null })
    await stage.clock.pass(30 * 86_400_000)
    expect(await tried(old), 'nobody used the new one').to.deep.equal([200])
    expect(await tried(next)).to.deep.equal([200])
    stage.clock.advance(3_599_000)
    expect(await tried(old, next)).to.deep.equal([200, 200])
    stage.clock.advance(1_000)
    expect(await tried(old, next)).to.deep.equal([401, 200])
    expect(await typesOf(next)).to.deep.equal(['created', 'activated'])
  })

  it('[KEY-10] a replacement that a connection is refused with was not used: the old key goes on, and no grace begins', async () => {
    const next = await stage.rotate(agent, old.key_id, { grace_period_s: 60 })
    const connection = await connectAs(stage.hub, agent)
    const refused = await connection.ask('auth.refresh', { key: next.api_key })
    expect(refused.ok ? 'renewed' : refused.error.code, 'it has fewer scopes').to.equal('PERMISSION_DENIED')
    connection.close()
    expect(await typesOf(next)).to.deep.equal(['created'])
    stage.clock.advance(120_000)
    expect(await tried(old)).to.deep.equal([200])
  })

  it('[KEY-11] without a grace the old key ends at once, whether or not the new one was used', async () => {
    const next = await stage.rotate(agent, old.key_id, { grace_period_s: 0, reason: 'leaked' }, { bearer: old.api_key })
    expect(await tried(old, next)).to.deep.equal([401, 200])
    expect(await typesOf(old)).to.deep.equal(['created', 'activated', 'rotated', 'revoked'])
  })

  it('[KEY-12] an answer that was lost is asked for again: the key that nobody got ends', async () => {
    const [lost, next] = [
      await stage.rotate(agent, old.key_id, { grace_period_s: 60 }),
      await stage.rotate(agent, old.key_id, { grace_period_s: 60 }),
    ]
    expect(await tried(old, lost, next)).to.deep.equal([200, 401, 200])
    const again = await stage.ask<{ code: string; facts: object }>('POST', `/agents/${agent.id}/keys/${old.key_id}/rotations`, agent, {
      grace_period_s: 60,
    })
    expect([again.status, again.body.code, again.body.facts]).to.deep.equal([409, 'KEY_NOT_ACTIVE', { key_id: next.key_id }])
    const third = await stage.rotate(agent, next.key_id, { grace_period_s: 60 })
    expect(await tried(old, next, third), 'of one family at most two are good').to.deep.equal([401, 200, 200])
  })

  it('[KEY-13] a grace moves no expiry back, is at most a week, and must be said', async () => {
    const expires_at = new Date(stage.clock.now() + 10_000).toISOString()
    const short = await stage.issue(agent, { expires_at })
    const next = await stage.rotate(agent, short.key_id, { grace_period_s: 604_800 })
    expect(next.expires_at).to.equal(expires_at)
    await stage.tried(next)
    stage.clock.advance(10_000)
    expect(await tried(short, next)).to.deep.equal([401, 401])
    for (const body of [{}, { grace_period_s: 604_801 }, { grace_period_s: -1 }, { grace_period_s: 0.5 }]) {
      const { status } = await stage.ask('POST', `/agents/${agent.id}/keys/${old.key_id}/rotations`, agent, body)
      expect(status, JSON.stringify(body)).to.equal(400)
    }
  })
})
