import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import mongoose from 'mongoose'
import { socketPathIn } from '../../../server/database/embedded/process/socket-path.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { freePort, type HubProcess, startHubProcess } from '../../harness/processes/hub-process.ts'
import { createNetwork, type Network } from '../../harness/processes/network.ts'
import { until } from '../../scenarios/stage.ts'
import { type Maker, makersOn } from './makers.ts'

const names = ['contracts', 'users', 'invitations', 'agents', 'keys', 'rotations']

type Reach = Pick<TestHub, 'url' | 'operator_token'>
type Body = Record<string, string>

async function ask({ url, operator_token }: Reach, path: string, body: object, key: string) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${operator_token}`, 'idempotency-key': key }
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  const replayed = response.headers.get('idempotent-replayed') === 'true'
  return { status: response.status, replayed, body: (await response.json()) as Body }
}

const without = (body: Body, secret: string | undefined) => Object.fromEntries(Object.entries(body).filter(([name]) => name !== secret))

describe('Idempotency-Key on each POST that makes something', () => {
  let hub: TestHub
  let second: TestHub
  let connection: mongoose.Connection
  let makers: Maker[]

  before(async () => {
    hub = await startHub()
    second = await startHub({ like: hub })
    connection = await mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name }).asPromise()
    makers = await makersOn(hub)
  })
  after(async () => {
    await connection.close()
    await second.close()
    await hub.close()
  })
  const count = ({ made }: Maker) => connection.collection(made.collection).countDocuments(made.filter)

  for (const name of names) {
    it(`[HTTP-14] POST ${name}: of twenty that race on two hubs one takes effect; replays have no secret; another payload is 422`, async () => {
      const maker = makers.find((one) => one.name === name) as Maker
      const { path, body, other, secret, works } = maker
      const raced = await Promise.all(Array.from({ length: 20 }, (_, at) => ask(at % 2 === 0 ? hub : second, path, body, `race-${name}`)))
      const [first, ...more] = raced.filter(({ status, replayed }) => status === 201 && !replayed)
      expect([await count(maker), more.length, first === undefined]).to.deep.equal([1, 0, false])
      for (const { status, replayed, body: told } of raced) {
        if (status === 409) expect(told['code']).to.equal('REQUEST_IN_FLIGHT')
        else if (replayed) expect(told).to.deep.equal(without(first?.body ?? {}, secret))
        else expect(status).to.equal(201)
      }
      const replay = await ask(hub, path, body, `race-${name}`)
      expect([replay.status, replay.replayed, replay.body]).to.deep.equal([201, true, without(first?.body ?? {}, secret)])
      const refused = await ask(second, path, other, `race-${name}`)
      expect([refused.status, refused.body['code']]).to.deep.equal([422, 'KEY_REUSED'])
      expect(await count(maker)).to.equal(1)
      if (secret !== undefined) expect(await works?.(first?.body[secret] ?? '')).to.equal(true)
    })
  }

  it('[HTTP-17] a second try for a key that somebody has used already leaves that one good, and shows none', async () => {
    const { path, works } = makers.find(({ name }) => name === 'keys') as Maker
    const { body } = await ask(hub, path, { name: 'used' }, 'used')
    expect(await works?.(body['api_key'] ?? '')).to.equal(true)
    // As if the answer had left, and had not been kept.
    const lost = { $unset: { answer: '' }, $set: { held_until: new Date(0) } }
    await connection.collection('idempotency').updateMany({ 'answer.body': { $regex: String(body['key_id']) } }, lost)
    const again = await ask(hub, path, { name: 'used' }, 'used')
    expect([again.status, again.replayed, again.body]).to.deep.equal([201, true, without(body, 'api_key')])
    expect(await works?.(body['api_key'] ?? '')).to.equal(true)
  })
})

// BSON of `update: 'idempotency'`: the keeping of an answer is the only update of a first try.
const KEEPING = Buffer.from('\u0002update\0\u000c\0\0\0idempotency\0')

describe('Idempotency-Key over a kill', () => {
  let data_dir: string
  let port: number
  let hub: HubProcess
  let network: Network
  let kept = 0

  before(async () => {
    data_dir = await mkdtemp(join(tmpdir(), 'parley-makers-'))
    port = await freePort()
    hub = await startHubProcess({ data_dir, port })
    // Its database stays; the hub that is killed reaches it by a network that loses what it says of an answer.
    network = await createNetwork({
      targets: () => [{ path: socketPathIn(join(data_dir, 'database')) }],
      tap: () => ({
        near: (piece) => {
          if (!piece.includes(KEEPING)) return 'pass'
          kept += 1
          return 'drop'
        },
      }),
    })
  })
  after(async () => {
    await hub?.stop()
    await network?.close()
    await rm(data_dir, { recursive: true, force: true })
  })

  it('[HTTP-18] a hub that is killed between the effect and keeping its answer: the next try has one effect in all, and a secret that is good', async () => {
    const makers = await makersOn(hub)
    const keeper = hub
    const cut = await startHubProcess({
      ...{ data_dir, port: await freePort() },
      env: { MONGODB_URI: `mongodb://127.0.0.1:${network.port}/parley?directConnection=true` },
    })
    // Nobody hears an answer: the hub is killed while it keeps it.
    const asked = makers.map(({ path, body }, at) => ask(cut, path, body, `kill-${at}`).catch(() => undefined))
    await until('every effect is there, and no answer is kept', async () => kept === makers.length)
    await cut.kill()
    await Promise.all(asked)
    const uri = `mongodb://${encodeURIComponent(socketPathIn(join(data_dir, 'database')))}/`
    const connection = await mongoose.createConnection(uri, { dbName: 'parley' }).asPromise()
    const count = ({ made }: Maker) => connection.collection(made.collection).countDocuments(made.filter)
    expect(await Promise.all(makers.map(count))).to.deep.equal(makers.map(() => 1))
    // The minute in which the dead hub might still be at work is over.
    await connection.collection('idempotency').updateMany({ answer: { $exists: false } }, { $set: { held_until: new Date(0) } })
    for (const [at, { path, body, secret, works, name }] of makers.entries()) {
      const again = await ask(keeper, path, body, `kill-${at}`)
      expect([again.status, again.replayed], `${name} ${JSON.stringify(again.body)}`).to.deep.equal([201, false])
      if (secret !== undefined) expect(await works?.(again.body[secret] ?? ''), name).to.equal(true)
      const replay = await ask(keeper, path, body, `kill-${at}`)
      expect([replay.replayed, replay.body], name).to.deep.equal([true, without(again.body, secret)])
    }
    expect(await Promise.all(makers.map(count))).to.deep.equal(makers.map(() => 1))
    await connection.close()
  })
})
