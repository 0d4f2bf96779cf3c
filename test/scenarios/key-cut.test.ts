import { expect } from 'chai'
import type { WireEvent } from '../../shared/protocol/index.ts'
import { api, type Client, connectAgent, connectAs, openContract, registerAgent, signUp } from '../harness/people.ts'
import { codeOf, readLog, type Stage, setStage, shout, until } from './stage.ts'

interface Issued {
  key_id: string
  api_key: string
}

/** Posts without end until it is told to stop. Answers how many were taken. */
function keepPosting(client: Client, contract_id: string, name: string) {
  let isOver = false
  let taken = 0
  const lanes = Array.from({ length: 4 }, async (_, lane) => {
    for (let at = 0; !isOver; at++) {
      const frame = { contract_id, key: `${name}-${lane}-${at}`, body: `${name} ${lane} ${at}` }
      const answer = await client.ask('message.post', frame).catch(() => ({ ok: false as const }))
      if (answer.ok) taken++
      // Cut off: what is sent from now on goes nowhere.
      else return
    }
  })
  return {
    taken: () => taken,
    stop: () => {
      isOver = true
      return Promise.all(lanes)
    },
  }
}

describe('the end of a key, live', () => {
  let stage: Stage
  let clients: Client[]

  beforeEach(async () => {
    const wide = { frames_per_s: 100_000, frames_burst: 100_000, principal_frames_per_s: 100_000, room_frames_per_s: 100_000 }
    stage = await setStage({ limits: wide })
    clients = []
  })
  afterEach(async () => {
    for (const client of clients) client.close()
    await stage.mustBeSound()
    await stage.close()
  })

  async function issue(body: object = {}): Promise<Issued> {
    const { provider, hub } = stage
    return (await api<Issued>(hub, 'POST', `/agents/${provider.id}/keys`, { body, bearer: provider.bearer })).body
  }

  const revoke = async ({ key_id }: { key_id: string }) => {
    const { hub, provider } = stage
    return (await api(hub, 'DELETE', `/agents/${provider.id}/keys/${key_id}`, { bearer: hub.operator_token })).status
  }

  async function join(key: Issued, since?: number): Promise<Client> {
    const client = await connectAs(stage.hub, { auth: { key: key.api_key } })
    clients.push(client)
    await client.must('room.join', { contract_id: stage.contract_id, ...(since === undefined ? {} : { since }) })
    if (since === undefined) await client.next('live')
    return client
  }

  const seen = (client: Client) => client.events(stage.contract_id)
  const endOf = async ({ key_id }: Issued) =>
    (await wholeLog(stage)).find((event) => event.type === 'key.ended' && event.data['key_id'] === key_id)
  const gone = (client: Client) => until('it is cut off', () => client.socket.disconnected)

  it('[CUT-1] under traffic every connection of a revoked key gets the events up to its end, that one too, and is closed with 4403', async () => {
    const [key, other] = [await issue(), await issue()]
    const [one, two, kept] = [await join(key), await join(key), await join(other)]
    const traffic = keepPosting(stage.human, stage.contract_id, 'human')
    await until('there is traffic', () => traffic.taken() > 50)
    expect(await revoke(key)).to.equal(204)
    await Promise.all([gone(one), gone(two)])
    const before = traffic.taken()
    await until('there is traffic behind it', () => traffic.taken() > before + 50)
    await traffic.stop()
    const end = await endOf(key)
    expect(end?.data).to.deep.equal({ agent_id: stage.provider.id, key_id: key.key_id, reason: 'revoked' })
    for (const client of [one, two]) {
      expect(seen(client).at(-1)).to.deep.equal(end)
      expect(client.told.at(-1)).to.deep.equal({ type: 'closing', payload: { code: 4403, reason: 'The key was revoked' } })
    }
    const head = (await wholeLog(stage)).length
    await until('the other key has all', () => seen(kept).at(-1)?.seq === head)
    expect(kept.socket.connected).to.equal(true)
  })

  it('[CUT-2] nothing that the key writes stands behind its end; all that was acknowledged stands before it', async () => {
    const [key, other] = [await issue(), await issue()]
    const [cut, kept] = [await join(key), await join(other)]
    const [mine, theirs] = [keepPosting(cut, stage.contract_id, 'cut'), keepPosting(kept, stage.contract_id, 'kept')]
    await until('there is traffic', () => mine.taken() > 50 && theirs.taken() > 50)
    expect(await revoke(key)).to.equal(204)
    const before = theirs.taken()
    await until('the other key goes on', () => theirs.taken() > before + 50)
    await gone(cut)
    await theirs.stop()
    const end = await endOf(key)
    const posts = (await wholeLog(stage)).filter(({ type }) => type === 'message.posted')
    const byCut = posts.filter(({ data }) => String(data['body']).startsWith('cut '))
    expect(byCut.filter(({ seq }) => seq > (end?.seq ?? 0))).to.deep.equal([])
    expect(byCut.length).to.be.at.least(mine.taken())
    expect(posts.some(({ seq, data }) => seq > (end?.seq ?? 0) && String(data['body']).startsWith('kept '))).to.equal(true)
  })

  it('[CUT-3] a replay under way stops there too, and no read or join begins behind it', async () => {
    const key = await issue()
    const traffic = keepPosting(stage.human, stage.contract_id, 'human')
    await until('there is a past', () => traffic.taken() > 2_000)
    const readers = await Promise.all(Array.from({ length: 4 }, () => join(key, 1)))
    expect(await revoke(key)).to.equal(204)
    await traffic.stop()
    for (const client of readers) {
      await gone(client)
      const seqs = seen(client).map(({ seq }) => seq)
      expect(seqs).to.deep.equal(seqs.map((_, at) => at + 2))
      expect(seqs.at(-1) ?? 0).to.be.at.most((await endOf(key))?.seq ?? 0)
    }
    const late = await join(key, 1).then(
      () => 'let in',
      (error: { data?: { code: string } }) => error.data?.code,
    )
    expect(late).to.equal('UNAUTHENTICATED')
    expect((await api(stage.hub, 'GET', `/contracts/${stage.contract_id}`, { bearer: key.api_key })).status).to.equal(401)
  })

  it('[CUT-4] the end of a grace cuts with 4403, an expiry with 4401, each at its moment', async () => {
    const { hub, provider, clock } = stage
    const expires_at = new Date(clock.now() + 120_000).toISOString()
    const [short, old] = [await issue({ expires_at }), await issue()]
    const body = { grace_period_s: 60 }
    const rotated = await api<Issued>(hub, 'POST', `/agents/${provider.id}/keys/${old.key_id}/rotations`, { body, bearer: provider.bearer })
    const [expiring, replaced, next] = [await join(short), await join(old), await join(rotated.body)]
    clock.advance(59_000)
    expect([expiring, replaced, next].map(({ socket }) => socket.connected)).to.deep.equal([true, true, true])
    clock.advance(1_000)
    await gone(replaced)
    expect(replaced.told.at(-1)?.payload).to.deep.equal({ code: 4403, reason: 'The key was replaced by a newer one' })
    expect(seen(replaced).at(-1)).to.deep.equal(await endOf(old))
    await expiring.next('auth.expiring')
    clock.advance(60_000)
    await gone(expiring)
    expect(expiring.told.at(-1)?.payload).to.deep.equal({ code: 4401, reason: 'The key has expired' })
    expect((await endOf(short))?.data).to.deep.include({ reason: 'expired' })
    expect(next.socket.connected).to.equal(true)
  })

  it('[CUT-5] connections that sit in no room are cut as well, and a renewed one goes on', async () => {
    const [key, next] = [await issue(), await issue()]
    const [idle, renewed] = [
      await connectAs(stage.hub, { auth: { key: key.api_key } }),
      await connectAgent(stage.hub, asAgent(key), [shout]),
    ]
    clients.push(idle, renewed)
    expect(codeOf(await renewed.ask('auth.refresh', { key: (await issue({ scopes: ['tools'] })).api_key }))).to.equal('PERMISSION_DENIED')
    await renewed.must('auth.refresh', { key: next.api_key })
    expect(await revoke(key)).to.equal(204)
    await gone(idle)
    expect(idle.told).to.deep.equal([{ type: 'closing', payload: { code: 4403, reason: 'The key was revoked' } }])
    await renewed.must('room.join', { contract_id: stage.contract_id })
    expect(codeOf(await renewed.ask('auth.refresh', { key: key.api_key }))).to.equal('UNAUTHENTICATED')
    expect(await revoke(next)).to.equal(204)
    await gone(renewed)
  })

  const asAgent = (key: Issued) => ({ ...stage.provider, auth: { key: key.api_key } })

  it('[CUT-6] the end is told in every open contract of the agent, as provider and as requester, and in no ended one', async () => {
    const { hub, provider } = stage
    const asProvider = await openContract(hub, { provider })
    const asRequester = await openContract(hub, { requester: provider, provider: await registerAgent(hub) })
    const ended = await openContract(hub, { provider })
    const staff = await connectAs(hub, { auth: { token: hub.operator_token } })
    clients.push(staff)
    await staff.must('contract.end', { contract_id: ended.contract_id, key: 'end', outcome: 'done' })
    const key = await issue()
    await revoke(key)
    const told = async (contract_id: string) => (await readLog(hub, contract_id)).filter(({ type }) => type === 'key.ended').length
    expect(await Promise.all([stage, asProvider, asRequester, ended].map((one) => told(one.contract_id)))).to.deep.equal([1, 1, 1, 0])
    const later = await openContract(hub, { provider })
    await until('a room that was just being opened knows it too', async () => (await told(later.contract_id)) === 1)
  })

  it('[CUT-8] a session of a human that ends closes its connections, and a role that is taken makes them come back', async () => {
    const { hub } = stage
    const bearer = hub.operator_token
    const reviewer = await signUp(hub, ['reviewer'])
    const [staff, human] = [await connectAs(hub, reviewer), stage.human]
    clients.push(staff)
    await staff.must('room.join', { contract_id: stage.contract_id })
    const edited = await api(hub, 'PATCH', `/users/${reviewer.id}`, { body: { roles: ['requester'] }, bearer })
    expect(edited.status).to.equal(200)
    await gone(staff)
    expect(staff.told.at(-1)?.payload).to.deep.equal({ code: 4001, reason: 'Your roles have changed' })
    const back = await connectAs(hub, reviewer)
    clients.push(back)
    expect(codeOf(await back.ask('room.join', { contract_id: stage.contract_id }))).to.equal('NOT_FOUND')
    const left = await api(hub, 'DELETE', '/sessions/current', { bearer: stage.requester.bearer })
    expect(left.status).to.equal(204)
    await gone(human)
    expect(human.told.at(-1)?.payload).to.deep.equal({ code: 4403, reason: 'The session has ended' })
  })
})

type Told = WireEvent & { data: Record<string, unknown> }

async function wholeLog(stage: Stage): Promise<Told[]> {
  const events: Told[] = []
  for (;;) {
    const page = await readLog(stage.hub, stage.contract_id, events.length)
    events.push(...page)
    if (page.length < 500) return events
  }
}
