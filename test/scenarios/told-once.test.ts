import { expect } from 'chai'
import type mongoose from 'mongoose'
import { createManualClock, type ManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { api, type Client, connectAs, openContract, type Person, signUp } from '../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'
import { createDatabaseProxy, type DatabaseProxy } from '../pipeline/log/database-proxy.ts'
import { advanceUntil, codeOf, openDatabaseOf, readLog, until } from './stage.ts'

// A hub that was started again looks in real time, after five seconds, and this machine may be slow.
const PATIENCE_MS = 45_000

/**
 * Two hubs on one database. One is a process that reaches it by a way which can be stopped at a write, and is killed there; for the other
 * one time stands until it is moved, so that it does nothing too early.
 */
describe('what a killed hub had yet to tell', () => {
  let clock: ManualClock
  let survivor: TestHub
  let proxy: DatabaseProxy
  let port: number
  let dying: HubProcess
  let database: mongoose.Connection
  let rooms: string[]
  let requester: Person
  let provider: Person
  const clients: Client[] = []

  beforeEach(async function () {
    this.timeout(2 * PATIENCE_MS)
    clock = createManualClock()
    survivor = await startHub({ clock })
    proxy = await createDatabaseProxy(survivor.mongodb_uri)
    port = await freePort()
    dying = await startDying()
    database = await openDatabaseOf(survivor)
    const first = await openContract(survivor)
    requester = first.requester
    provider = first.provider
    rooms = [first.contract_id, (await openContract(survivor, { requester, provider })).contract_id]
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    await dying.kill()
    await proxy.close()
    await database.close()
    await survivor.close()
  })

  function startDying(): Promise<HubProcess> {
    const { database_name, data_dir } = survivor
    return startHubProcess({ data_dir, port, env: { MONGODB_URI: proxy.uri.replace('/?', `/${database_name}?`) } })
  }

  /** Asks the hub for something, and kills it at the nth write that tells of it. */
  async function killedAt(told: string, nth: number, ask: () => Promise<unknown>): Promise<void> {
    const reached = proxy.holdAt(`"type":"${told}"`, nth)
    const asked = ask().catch(() => 'no answer')
    await reached
    await dying.kill()
    expect(await asked).to.equal('no answer')
  }

  /** Both may tell now: the process that takes its place, and the one that lived on. */
  async function goOn(): Promise<void> {
    proxy.mend()
    clock.advance(Date.now() - clock.now() + 10_000)
    dying = await startDying()
  }

  const toldIn = async (contract_id: string, type: string) => (await readLog(survivor, contract_id)).filter((event) => event.type === type)
  const counts = (type: string) => Promise.all(rooms.map(async (contract_id) => (await toldIn(contract_id, type)).length))
  const isOwed = (timer: string) => database.collection<{ _id: string }>('timers').countDocuments({ _id: timer })
  const isPaid = (timer: string) => until(`${timer} is settled`, async () => (await isOwed(timer)) === 0, PATIENCE_MS)

  it('[CUT-7] the end of a key is told by another hub, once in each room, and cuts its connections there', async function () {
    this.timeout(3 * PATIENCE_MS)
    const issued = await api<{ key_id: string; api_key: string }>(survivor, 'POST', `/agents/${provider.id}/keys`, {
      body: {},
      bearer: provider.bearer,
    })
    const { key_id, api_key } = issued.body
    const reader = await connectAs(survivor, { auth: { key: api_key } })
    const other = await connectAs(survivor, provider)
    clients.push(reader, other)
    for (const contract_id of rooms) await reader.must('room.join', { contract_id })
    await killedAt('key.ended', 1, () => api(dying, 'DELETE', `/agents/${provider.id}/keys/${key_id}`, { bearer: provider.bearer }))
    const row = await database.collection<{ _id: string; ended?: { told_at?: Date } }>('agent_keys').findOne({ _id: key_id })
    expect(row, 'it has ended').to.deep.include({ status: 'revoked' })
    expect([row?.ended?.told_at, await counts('key.ended'), await isOwed(`key:${key_id}`)], 'and nobody knows').to.deep.equal([
      ...[undefined, [0, 0], 1],
    ])
    await goOn()
    await isPaid(`key:${key_id}`)
    expect(await counts('key.ended')).to.deep.equal([1, 1])
    await advanceUntil(clock, 'it is cut off', () => reader.socket.disconnected)
    expect(reader.told.findLast(({ type }) => type === 'closing')?.payload).to.include({ code: 4403 })
    for (const contract_id of rooms) {
      const [end] = await toldIn(contract_id, 'key.ended')
      expect(end?.data).to.deep.equal({ agent_id: provider.id, key_id, reason: 'revoked' })
      await other.must('message.post', { contract_id, key: 'late', body: 'behind it' })
      expect(reader.events(contract_id).filter(({ seq }) => seq > (end?.seq ?? 0))).to.deep.equal([])
    }
    for (const hub of [survivor, dying]) expect((await api(hub, 'GET', '/me', { bearer: api_key })).status).to.equal(401)
    expect((await api(dying, 'GET', '/me', { bearer: provider.bearer })).status, 'control').to.equal(200)
  })

  it('[PERM-5] flags that were told in one room and not yet in the other are told there by another hub, once in each', async function () {
    this.timeout(3 * PATIENCE_MS)
    const owner = await signUp(survivor)
    await api(survivor, 'POST', `/agents/${provider.id}/claim`, { body: { api_key: provider.bearer }, bearer: owner.bearer })
    await killedAt('permissions.changed', 2, () =>
      api(dying, 'PUT', `/agents/${provider.id}/permissions`, { body: { can_message_requester: false }, bearer: owner.bearer }),
    )
    expect((await counts('permissions.changed')).toSorted()).to.deep.equal([0, 1])
    expect(await isOwed(`grants:${provider.id}`)).to.equal(1)
    await goOn()
    await isPaid(`grants:${provider.id}`)
    expect(await counts('permissions.changed')).to.deep.equal([1, 1])
    for (const hub of [survivor, dying]) {
      const agent = await connectAs(hub, provider)
      clients.push(agent)
      for (const contract_id of rooms) {
        const answer = await agent.ask('message.post', { contract_id, key: hub.url, body: 'may I' })
        expect(codeOf(answer)).to.equal('PERMISSION_DENIED')
      }
    }
  })
})
