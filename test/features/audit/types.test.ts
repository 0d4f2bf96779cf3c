import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import mongoose from 'mongoose'
import { createAuditWriter } from '../../../server/features/audit/index.ts'
import { actorOf } from '../../../server/pipeline/audit.ts'
import { createSnapshotStore } from '../../../server/pipeline/store/snapshot-store.ts'
import { type AuditType, auditTypes, ParleyError, type TrailEventType, trailEvents } from '../../../shared/protocol/index.ts'
import { emptyRoom } from '../../../shared/rules/evolve.ts'
import { createManualClock, type ManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, type Client, connectAgent, connectAs, openContract, type Person, registerAgent, signUp } from '../../harness/people.ts'
import { advanceUntil, until } from '../../scenarios/stage.ts'
import { MINUTE_MS } from './checkpoints/audit-stage.ts'
import { readTrail, settledTrail } from './read-trail.ts'

/** What no part of the product that is there yet can bring about, and the part that will. Each row goes when its part comes. */
const ofLaterParts: Partial<Record<AuditType | TrailEventType, string>> = {
  'call.approved': 'approvals: no frame of this version approves a call',
  'call.denied': 'approvals',
  'call.expired': 'approvals',
}

type Body = Record<string, string>
const tool = { name: 'weigh', description: 'weighs', input_schema: { type: 'object' } }
const PASSWORD = 'correct horse battery'
const DAY_MS = 86_400_000

describe('the audit trail: every type', function () {
  this.timeout(120_000)
  let hub: TestHub
  const clock = createManualClock()

  // Once more does no harm, and a test that failed leaves no hub behind.
  afterEach(() => hub.close())

  const ask = async (method: string, path: string, { body, bearer }: { body?: unknown; bearer?: string | undefined } = {}) =>
    (await api<Body>(hub, method, path, { ...(body === undefined ? {} : { body }), ...(bearer === undefined ? {} : { bearer }) })).body
  const operator = () => ({ bearer: hub.operator_token })

  async function people(): Promise<void> {
    const email = `${randomUUID()}@parley.invalid`
    const { user_id, url } = await ask('POST', '/invitations', { body: { email, name: 'Ann', roles: ['requester'] }, ...operator() })
    await ask('POST', '/invitations/redeem', { body: { token: url?.split('#token=')[1], password: PASSWORD } })
    await ask('POST', '/sessions', { body: { email, password: 'wrong' } })
    const signIn = () => ask('POST', '/sessions', { body: { email, password: PASSWORD } })
    const { refresh_token } = await signIn()
    for (let times = 0; times < 2; times++) await ask('POST', '/sessions/refresh', { body: { refresh_token } })
    await ask('DELETE', '/sessions/current', { bearer: (await signIn())['access_token'] })
    await ask('DELETE', '/sessions', { bearer: (await signIn())['access_token'] })
    await ask('POST', '/password-resets', { body: { email } })
    await ask('POST', `/users/${user_id}/password-reset-links`, operator())
    await ask('POST', '/sign-in-links', { body: {}, ...operator() })
    await ask('PATCH', `/users/${user_id}`, { body: { roles: ['reviewer'] }, ...operator() })
    await signUp(hub)
  }

  async function keys(): Promise<void> {
    const owner = await signUp(hub)
    const { id, bearer } = await registerAgent(hub)
    await ask('POST', `/agents/${id}/claim`, { body: { api_key: bearer }, bearer: owner.bearer })
    await ask('PATCH', `/agents/${id}`, { body: { name: 'Another' }, bearer })
    await ask('PUT', `/agents/${id}/permissions`, { body: { can_access_web: true }, bearer: owner.bearer })
    const issue = (body: object) => ask('POST', `/agents/${id}/keys`, { body, bearer })
    const short = await issue({ expires_at: new Date(clock.now() + DAY_MS).toISOString() })
    const narrow = await issue({ profile: { allowed_tools: ['other'] } })
    const gone = await issue({})
    const rotated = await ask('POST', `/agents/${id}/keys/${gone['key_id']}/rotations`, { body: { grace_period_s: 60 }, bearer })
    await ask('GET', '/me', { bearer: rotated['api_key'] })
    await ask('DELETE', `/agents/${id}/keys/${rotated['key_id']}`, { bearer })
    await ask('GET', '/me', { bearer: rotated['api_key'] })
    const bounded = await connectAgent(hub, { id, auth: { key: String(narrow['api_key']) }, bearer: '' })
    await bounded.ask('agent.tools.register', { tools: [tool] })
    bounded.close()
    clock.advance(DAY_MS)
    await ask('GET', '/me', { bearer: short['api_key'] })
  }

  async function doors(): Promise<void> {
    await (await fetch(`${hub.url}/audit/export`, { headers: { authorization: `Bearer ${hub.operator_token}` } })).text()
    await ask('GET', '/users', { bearer: (await signUp(hub)).bearer })
    for (let times = 0; times < 60; times++) await registerAgent(hub)
    // Last, for it fills the table of sources: of more networks than are told apart at once.
    for (let from = 0; from < 2_100; from += 50) {
      const many = Array.from({ length: 50 }, (_, n) => {
        const network = `198.${18 + Math.floor((from + n) / 256)}.${(from + n) % 256}.1`
        return fetch(`${hub.url}/me`, { headers: { authorization: 'Bearer wrong', 'x-forwarded-for': network } })
      })
      await Promise.all(many)
    }
  }

  const emitted = async (wanted: readonly AuditType[]) =>
    new Set(
      (await settledTrail(hub, (events) => wanted.every((type) => events.some((event) => event.type === type)))).map(({ type }) => type),
    )

  /** A room whose last event is not any more what was signed. */
  async function contradicted(): Promise<void> {
    const { contract_id, requester } = await openContract(hub)
    const connection = await mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name }).asPromise()
    const stream = `contract:${contract_id}`
    clock.advance(MINUTE_MS)
    await until('it is signed', async () => (await connection.collection('checkpoints').countDocuments({ stream })) > 0)
    await connection.collection('events').updateOne({ stream }, { $set: { chain: 'f'.repeat(64) } })
    await connection.close()
    await ask('PUT', `/contracts/${contract_id}/permissions`, { body: { can_access_web: true }, bearer: requester.bearer })
    clock.advance(MINUTE_MS)
  }

  /** What was put among the kept rooms by whoever has the database alone. */
  async function forgedSnapshot(): Promise<void> {
    const contract_id = randomUUID()
    const connection = await mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name }).asPromise()
    const snapshots = createSnapshotStore({ connection, key: createSecretKey(randomBytes(32)), onRefused: () => {} })
    await snapshots.save(`contract:${contract_id}`, { seq: 1, chain: 'f'.repeat(64), view: emptyRoom })
    await connection.close()
    await ask('GET', `/contracts/${contract_id}`, operator())
  }

  it('[AUDIT-25] every type of the trail is recorded when it comes about, or is named as of a later part', async () => {
    hub = await startHub({ clock, trust_proxy: 1, rates: { register: { q: 50, w: 60 } } })
    await people()
    await keys()
    await contradicted()
    await forgedSnapshot()
    await doors()
    const own = (Object.keys(auditTypes) as AuditType[]).filter((type) => type !== 'audit.dropped' && type !== 'hub.closed')
    const found: Set<string> = await emitted(own.filter((type) => ofLaterParts[type] === undefined))
    await hub.close()
    for (const { type } of (await readTrail(hub)).events) found.add(type)
    for (const type of await droppedByWriter()) found.add(type)
    const never = Object.keys(auditTypes).filter((type) => !found.has(type))
    expect(never).to.deep.equal(Object.keys(ofLaterParts).filter((type) => Object.hasOwn(auditTypes, type)))
  })

  it('[AUDIT-25] every type of a room that the trail covers is found in it when it comes about, or is named as of a later part', async () => {
    hub = await startHub({ clock })
    const { contract_id, requester, provider } = await openContract(hub)
    await inRoom({ hub, clock, contract_id, requester, provider })
    const wanted = (Object.keys(trailEvents) as TrailEventType[]).filter((type) => ofLaterParts[type] === undefined)
    const found = new Map<string, number>()
    for (const type of Object.keys(trailEvents)) {
      const { total } = (await ask('GET', `/audit?type=${type}&subject=contract:${contract_id}`, operator())) as unknown as {
        total: number
      }
      if (total > 0) found.set(type, total)
    }
    expect([...found.keys()].toSorted()).to.deep.equal(wanted.toSorted())
  })
})

/** Everything that can come about in a room. */
async function inRoom(given: {
  hub: TestHub
  clock: ManualClock
  contract_id: string
  requester: Person
  provider: Person
}): Promise<void> {
  const { hub, clock, contract_id, requester, provider } = given
  const issued = await api<Body>(hub, 'POST', `/agents/${provider.id}/keys`, { body: {}, bearer: provider.bearer })
  let agent = await connectAgent(hub, provider, [tool])
  const human = await connectAs(hub, requester)
  await human.must('room.join', { contract_id })
  const call = async (key: string, to: Client = agent) => {
    const { call_id } = await human.must('tool.call', { contract_id, key, tool: 'weigh', input: {}, timeout_ms: 120_000 })
    await to.next('core.tool.call', (sent) => sent.call_id === call_id)
    return call_id
  }
  // Asked over HTTP between two steps of the clock, so that it does not run ahead of the hub's work.
  const isThere = async (type: string) => {
    const found = await api<{ total: number }>(hub, 'GET', `/audit?type=${type}&subject=contract:${contract_id}`, {
      bearer: hub.operator_token,
    })
    return found.body.total > 0
  }
  const happened = (type: string) => human.event(contract_id, type)
  await agent.must('agent.tool.result', { call_id: await call('a'), status: 'succeeded', output: 1 })
  await agent.must('agent.tool.result', { call_id: await call('b'), status: 'failed', error: { code: 'X', message: 'x' } })
  const canceled = await call('c')
  await human.must('tool.cancel', { contract_id, call_id: canceled })
  await agent.must('agent.tool.result', { call_id: canceled, status: 'canceled' })
  await agent.ask('message.post', { contract_id, key: 'evidence', body: 'see', evidence: [randomUUID()] })
  await happened('permission.refused')
  await api(hub, 'PUT', `/contracts/${contract_id}/permissions`, { body: { can_access_web: true }, bearer: requester.bearer })
  await api(hub, 'DELETE', `/agents/${provider.id}/keys/${issued.body['key_id']}`, { bearer: provider.bearer })
  clock.advance(46_000)
  await happened('agent.unhealthy')
  await agent.must('agent.heartbeat', {})
  await happened('agent.recovered')
  await agent.must('agent.tool.stream', { call_id: await call('d'), seq: 1, chunk: 'x' })
  agent.close()
  await advanceUntil(clock, 'it is abandoned', () => isThere('call.abandoned'))
  agent = await connectAgent(hub, provider, [tool])
  await call('e')
  await advanceUntil(clock, 'it is timed out', () => isThere('call.timed_out'), 10_000)
  await human.must('contract.end', { contract_id, key: 'end', outcome: 'done' })
  for (const client of [agent, human]) client.close()
}

/** What the trail says of itself when it had no room. Only the writer's own bounds bring it about, and they are wide. */
async function droppedByWriter(): Promise<string[]> {
  const written: string[] = []
  let isAway = true
  const bounds = { waiting: 1 }
  const writer = createAuditWriter({ clock: createManualClock(), meter: { dropped: () => {} }, onTrouble: () => {}, bounds })
  writer.open({
    stream: () => 'audit:1',
    submit: (draft) => {
      if (isAway) return Promise.reject(new ParleyError('UNAVAILABLE'))
      written.push(draft.decide({} as never, {} as never).event?.type ?? '')
      return Promise.resolve({} as never)
    },
  })
  for (const id of ['1', '2'])
    writer.record({ type: 'agent.updated', actor: actorOf({ kind: 'user', id: 'ada' }), subject: { type: 'agent', id } })
  isAway = false
  while (!written.includes('audit.dropped')) await new Promise((resolve) => setTimeout(resolve, 10))
  await writer.close()
  return written
}
