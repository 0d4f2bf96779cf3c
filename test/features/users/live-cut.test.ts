import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { readLog } from '../../harness/history/read-log.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, type Client, connectAs, openContract } from '../../harness/people.ts'

const PASSWORD = 'correct horse battery'
const NEW_PASSWORD = 'another horse battery'
/** How often a hub looks at what the others did. So many looks end long before an access token does. */
const LOOK_MS = 5_000
const MOST_LOOKS = 100

interface Tokens {
  access_token: string
  refresh_token: string
}

describe('the connections of a user whose sessions end', () => {
  const clock = createManualClock()
  let hub: TestHub
  let other: TestHub

  before(async () => {
    hub = await startHub({ clock })
    other = await startHub({ clock, like: hub })
  })
  after(async () => {
    await other?.close()
    await hub?.close()
  })

  async function newUser() {
    const email = `${randomUUID()}@example.org`
    const body = { email, name: 'Ann', password: PASSWORD, roles: ['requester'] }
    const made = await api<{ user_id: string }>(hub, 'POST', '/users', { body, bearer: hub.operator_token })
    const signIn = async () => (await api<Tokens>(hub, 'POST', '/sessions', { body: { email, password: PASSWORD } })).body
    return { email, user_id: made.body.user_id, signIn }
  }

  const sit = ({ access_token: token }: Tokens, at: TestHub = hub): Promise<Client> => connectAs(at, { auth: { token } })

  /** The code that each is closed with: here at once, on the other hub by one of its next looks. */
  async function codes(here: Client[], there: Client[] = []): Promise<number[]> {
    const told = await Promise.all(here.map((client) => client.next('closing')))
    const later = Promise.all(there.map((client) => client.next('closing')))
    // A look that is under way has no timer to move: the clock goes on until all of them heard.
    for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
      clock.advance(LOOK_MS)
      // Each look is given more time than the one before: a busy machine needs it.
      if (await Promise.race([later.then(() => true), setTimeout(100 + 20 * looks, false)])) break
    }
    return [...told, ...(await later)].map(({ code }) => code)
  }

  it('[USER-18] a change of password closes all of them with 4403, on every hub, but those of its new session and of others', async () => {
    const [ann, bob] = [await newUser(), await newUser()]
    const [first, second] = [await ann.signIn(), await ann.signIn()]
    const [here, too, there, bystander] = [await sit(first), await sit(second), await sit(second, other), await sit(await bob.signIn())]
    const body = { current_password: PASSWORD, new_password: NEW_PASSWORD }
    const changed = await api<Tokens>(hub, 'PUT', '/users/me/password', { body, bearer: first.access_token })
    const next = await sit(changed.body)
    expect(await codes([here, too], [there])).to.deep.equal([4403, 4403, 4403])
    for (const client of [next, bystander]) expect((await client.askRaw('no.frame')).ok, 'still served').to.equal(false)
    expect([next.socket.connected, bystander.socket.connected]).to.deep.equal([true, true])
    for (const client of [next, bystander]) client.close()
  })

  it('[USER-18] a used reset link closes all of them with 4403', async () => {
    const ann = await newUser()
    const [here, there] = [await sit(await ann.signIn()), await sit(await ann.signIn(), other)]
    const { body } = await api<{ url: string }>(hub, 'POST', `/users/${ann.user_id}/password-reset-links`, { bearer: hub.operator_token })
    const redeem = { token: body.url.split('#token=')[1], password: NEW_PASSWORD }
    expect((await api(hub, 'POST', '/password-resets/redeem', { body: redeem })).status).to.equal(200)
    expect(await codes([here], [there])).to.deep.equal([4403, 4403])
  })

  it('[USER-18] a disabled user’s are closed with 4403', async () => {
    const ann = await newUser()
    const [here, there] = [await sit(await ann.signIn()), await sit(await ann.signIn(), other)]
    await api(hub, 'PATCH', `/users/${ann.user_id}`, { body: { status: 'disabled' }, bearer: hub.operator_token })
    expect(await codes([here], [there])).to.deep.equal([4403, 4403])
  })

  it('[USER-18] a refresh token that twenty use at once ends its session: all connections of it are closed, and of no other one', async () => {
    const ann = await newUser()
    const [stolen, kept] = [await ann.signIn(), await ann.signIn()]
    const [here, there, untouched] = [await sit(stolen), await sit(stolen, other), await sit(kept)]
    const { refresh_token } = stolen
    const raced = await Promise.all(Array.from({ length: 20 }, () => api(hub, 'POST', '/sessions/refresh', { body: { refresh_token } })))
    expect(raced.filter(({ status }) => status === 200)).to.have.length(1)
    expect(await codes([here], [there])).to.deep.equal([4403, 4403])
    expect((await untouched.askRaw('no.frame')).ok, 'still served').to.equal(false)
    untouched.close()
  })

  it('[CUT-8] a hub that has not heard of a change of roles renews no connection with them: it is closed with 4001', async () => {
    const ann = await newUser()
    const roles = (value: string[]) => api(hub, 'PATCH', `/users/${ann.user_id}`, { body: { roles: value }, bearer: hub.operator_token })
    expect((await roles(['reviewer'])).status).to.equal(200)
    const tokens = await ann.signIn()
    const there = await sit(tokens, other)
    const closing = there.next('closing')
    expect((await roles(['requester'])).status).to.equal(200)
    there.socket.emit('auth.refresh', { token: tokens.access_token }, () => {})
    expect(await closing).to.include({ code: 4001, reason: 'Your roles have changed' })
    await new Promise<void>((resolve) => (there.socket.disconnected ? resolve() : there.socket.once('disconnect', () => resolve())))
  })

  const changes: Record<string, (ann: { user_id: string; tokens: Tokens }) => Promise<{ status: number }>> = {
    'a user who is disabled': ({ user_id }) =>
      api(hub, 'PATCH', `/users/${user_id}`, { body: { status: 'disabled' }, bearer: hub.operator_token }),
    'a reviewer who is none any more': ({ user_id }) =>
      api(hub, 'PATCH', `/users/${user_id}`, { body: { roles: ['requester'] }, bearer: hub.operator_token }),
    'a user who signs out everywhere': ({ tokens }) => api(hub, 'DELETE', '/sessions', { bearer: tokens.access_token }),
    'a user whose password changes': ({ tokens }) => {
      const body = { current_password: PASSWORD, new_password: NEW_PASSWORD }
      return api(hub, 'PUT', '/users/me/password', { body, bearer: tokens.access_token })
    },
  }

  for (const [who, change] of Object.entries(changes)) {
    it(`[CUT-13] once that is answered, its connections on this hub write nothing and are told nothing: ${who}`, async () => {
      const ann = await newUser()
      const reviewer = { body: { roles: ['reviewer'] }, bearer: hub.operator_token }
      expect((await api(hub, 'PATCH', `/users/${ann.user_id}`, reviewer)).status).to.equal(200)
      const tokens = await ann.signIn()
      const { contract_id } = await openContract(hub)
      const [her, operator] = [await sit(tokens), await connectAs(hub, { auth: { token: hub.operator_token } })]
      for (const client of [her, operator]) await client.must('room.join', { contract_id })
      const isGone = new Promise<void>((resolve) => her.socket.once('disconnect', () => resolve()))
      expect((await change({ user_id: ann.user_id, tokens })).status).to.be.oneOf([200, 204])
      her.socket.emit('message.post', { contract_id, key: 'late', body: 'too late', visibility: 'staff' }, () => {})
      await operator.must('message.post', { contract_id, key: 'note', body: 'a staff note', visibility: 'staff' })
      await isGone
      const written = (await readLog(hub, contract_id)).flatMap((event) => ('data' in event && 'body' in event.data ? event.data.body : []))
      expect(written).to.deep.equal(['a staff note'])
      expect(her.events(contract_id)).to.deep.equal([])
      operator.close()
    })
  }

  it('[USER-18] who takes part in a room hears nothing of it any more, and comes back only by a new sign-in', async () => {
    const ann = await newUser()
    const agent = await api<{ agent_id: string; api_key: string }>(hub, 'POST', '/agents', { body: { name: 'Scribe' } })
    const body = { title: 'Sort', requester_id: ann.user_id, provider_id: agent.body.agent_id }
    const { contract_id } = (await api<{ contract_id: string }>(hub, 'POST', '/contracts', { body, bearer: hub.operator_token })).body
    const tokens = await ann.signIn()
    const human = await sit(tokens)
    await human.must('room.join', { contract_id })
    await api(hub, 'DELETE', '/sessions', { bearer: tokens.access_token })
    expect(await codes([human])).to.deep.equal([4403])
    const scribe = await connectAs(hub, { auth: { key: agent.body.api_key } })
    await scribe.must('room.join', { contract_id })
    const { seq } = await scribe.must('message.post', { contract_id, key: 'one', body: 'hello' })
    expect(human.events(contract_id)).to.deep.equal([])
    expect(await sit(tokens).catch(({ data }: { data: { code: string } }) => data.code)).to.equal('UNAUTHENTICATED')
    const again = await sit(await ann.signIn())
    expect((await again.must('room.join', { contract_id })).head).to.equal(seq)
    for (const client of [scribe, again]) client.close()
  })
})
