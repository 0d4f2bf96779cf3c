import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, connectAs, type Person, signUp } from '../../harness/people.ts'

const MOST = 50

describe('how many sessions a user may have', () => {
  const clock = createManualClock()
  let hub: TestHub
  let ann: Person

  before(async () => {
    hub = await startHub({ clock })
    ann = await signUp(hub)
  })
  after(() => hub.close())

  /** Another session of Ann's, a moment later. */
  async function signInAgain(): Promise<void> {
    clock.advance(1_000)
    const made = await api<{ url: string }>(hub, 'POST', '/sign-in-links', { body: { user_id: ann.id }, bearer: hub.operator_token })
    const { status } = await api(hub, 'POST', '/sign-in-links/redeem', { body: { token: made.body.url.split('#token=')[1] } })
    expect(status).to.equal(200)
  }
  const me = async () => (await api(hub, 'GET', '/me', { bearer: ann.bearer })).status
  const total = async () => (await api<{ total: number }>(hub, 'GET', '/sessions', { bearer: ann.bearer })).body.total

  it('[ID-20] with one more than 50 the one that was used longest ago ends, its connections too; another user keeps hers', async () => {
    const bob = await signUp(hub)
    const client = await connectAs(hub, ann)
    for (let at = 1; at < MOST; at++) await signInAgain()
    expect([await me(), await total()]).to.deep.equal([200, MOST])
    await signInAgain()
    expect(await client.next('closing')).to.include({ code: 4403 })
    expect(await me()).to.equal(401)
    expect((await api(hub, 'GET', '/me', { bearer: bob.bearer })).status).to.equal(200)
    const going = await api<{ items: { metadata: object }[] }>(hub, 'GET', `/audit?type=session.revoked&subject=user:${ann.id}`, {
      bearer: hub.operator_token,
    })
    expect(going.body.items.map(({ metadata }) => metadata)[0]).to.include({ kind: 'token', too_many: true })
    client.close()
  })
})
