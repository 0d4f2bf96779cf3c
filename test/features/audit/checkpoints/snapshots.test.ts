import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import mongoose from 'mongoose'
import { deriveKey } from '../../../../server/core/secrets/derive-key.ts'
import { createSnapshotStore } from '../../../../server/pipeline/store/snapshot-store.ts'
import type { RecordedEvent, RoomView } from '../../../../shared/protocol/index.ts'
import { emptyRoom, evolve } from '../../../../shared/rules/evolve.ts'
import { startHub, type TestHub } from '../../../harness/hub.ts'
import { api, openContract, type Person, signUp } from '../../../harness/people.ts'
import { settledTrail } from '../read-trail.ts'

interface Row {
  _id: string
  stream: string
  seq: number
  view: string
  shape: number
  seal?: string
}

/** A room's beginning, as its log has it. */
interface Place {
  stream: string
  seq: number
  chain: string
  view: RoomView
}

interface Forger {
  snapshots: mongoose.mongo.Collection<Row>
  keep(key: KeyObject, place: Place): Promise<void>
  own: KeyObject
  /** The room with another requester. */
  stolen(place: Place): Place
}

const foreign = createSecretKey(randomBytes(32))

/** What somebody can do who writes to the database, and has not the hub's secret. */
const forgeries: Record<string, (forger: Forger, place: Place) => Promise<unknown>> = {
  'sealed under a key of one’s own': ({ keep, stolen }, place) => keep(foreign, stolen(place)),
  'without a seal': async ({ keep, snapshots, stolen }, place) => {
    await keep(foreign, stolen(place))
    await snapshots.updateOne({ stream: place.stream }, { $unset: { seal: '' } })
  },
  'of an older shape, which had none': async ({ keep, snapshots, stolen }, place) => {
    await keep(foreign, stolen(place))
    await snapshots.updateOne({ stream: place.stream }, { $set: { shape: 4 }, $unset: { seal: '' } })
  },
  'a hub’s own, changed': async ({ keep, own, snapshots, stolen }, place) => {
    await keep(own, place)
    await snapshots.updateOne({ stream: place.stream }, { $set: { view: JSON.stringify(stolen(place).view) } })
  },
  'a hub’s own, of another room': async ({ keep, own, snapshots, stolen }, place) => {
    const other = `contract:${'0'.repeat(8)}-0000-7000-8000-000000000000`
    await keep(own, { ...stolen(place), stream: other })
    const row = await snapshots.findOneAndDelete({ stream: other })
    if (row === null) throw new Error('not kept')
    await snapshots.insertOne({ ...row, _id: row._id.replace(other, place.stream), stream: place.stream })
  },
}

describe('the kept folds of rooms', () => {
  let hub: TestHub
  let second: TestHub
  let thief: Person
  let connection: mongoose.Connection
  let forger: Forger

  before(async () => {
    hub = await startHub()
    thief = await signUp(hub, ['requester'], 'Eve')
    connection = await mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name }).asPromise()
    forger = {
      snapshots: connection.collection<Row>('snapshots'),
      own: deriveKey((await readFile(join(hub.data_dir, 'secret'), 'utf8')).trim(), 'room-snapshot/1'),
      keep: (key, { stream, ...snapshot }) => createSnapshotStore({ connection, key, onRefused: () => {} }).save(stream, snapshot),
      stolen: (place) => {
        const { contract } = place.view
        if (contract === null) throw new Error('no contract')
        return { ...place, view: { ...place.view, contract: { ...contract, requester_id: thief.id } } }
      },
    }
  })
  after(async () => {
    await connection.close()
    await hub.close()
  })
  afterEach(() => second?.close())

  /** A room that a hub was asked for already, and its place as that hub has it. */
  async function room(): Promise<{ contract_id: string; place: Place }> {
    const { contract_id, requester } = await openContract(hub)
    const { events } = (await hub.get(`/contracts/${contract_id}/events`, requester.bearer)).body as { events: RecordedEvent[] }
    const view = events.reduce(evolve, emptyRoom)
    return { contract_id, place: { stream: `contract:${contract_id}`, seq: view.seq, chain: events.at(-1)?.chain ?? '', view } }
  }

  const refused = (stream: string) =>
    settledTrail(hub, (trail) => trail.some(({ type, data }) => type === 'snapshot.refused' && data.subject.id === stream))

  for (const [what, forge] of Object.entries(forgeries)) {
    it(`[LOG-32] one that no hub has sealed is not believed: ${what}`, async () => {
      const { contract_id, place } = await room()
      await forge(forger, place)
      second = await startHub({ like: hub })
      expect((await second.get(`/contracts/${contract_id}/permissions`, thief.bearer)).status).to.equal(404)
      expect((await second.get(`/contracts/${contract_id}/log/verify`, second.operator_token)).body).to.include({ ok: true })
      if (what.startsWith('of an older')) return
      await refused(place.stream)
      const metrics = await (await fetch(`${second.url}/metrics`)).text()
      expect(metrics).to.include('parley_audit_alerts_total{type="snapshot.refused"} 1')
    })
  }

  it('[LOG-32] one that a hub has sealed is gone on from', async () => {
    const { contract_id, place } = await room()
    await forger.keep(forger.own, forger.stolen(place))
    second = await startHub({ like: hub })
    expect((await second.get(`/contracts/${contract_id}/permissions`, thief.bearer)).status).to.equal(200)
  })

  it('[LOG-32] what was not believed is told of once, and stays to be looked at', async () => {
    const { contract_id, place } = await room()
    await forger.keep(foreign, forger.stolen(place))
    for (const _ of [1, 2]) {
      second = await startHub({ like: hub })
      await api(second, 'GET', `/contracts/${contract_id}`, { bearer: second.operator_token })
      await second.close()
    }
    const trail = await refused(place.stream)
    expect(trail.filter(({ type, data }) => type === 'snapshot.refused' && data.subject.id === place.stream)).to.have.length(1)
    expect(await forger.snapshots.findOne({ stream: place.stream })).to.include({ seq: 1, shape: -1 })
  })
})
