import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Connection } from 'mongoose'
import { connectDatabase } from '../../../server/database/connect.ts'
import { migrate } from '../../../server/database/migrate.ts'
import { testDatabase } from '../../harness/hub.ts'

const NAME = '0009-room-activity'

describe('the migration of the last activity of rooms', () => {
  let connection: Connection

  before(async () => {
    const name = `activity_${randomUUID().slice(0, 8)}`
    connection = (await connectDatabase(await testDatabase(), { kind: 'mongodb', name })).connection
    await migrate(connection, 'test')
  })
  after(async () => {
    await connection.dropDatabase()
    await connection.close()
  })

  it('[DB-70] a contract of the schema before gets the time of its last event, and one that is newer keeps its own', async () => {
    const contracts = connection.collection<{ _id: string; opened_at: Date; last_activity_at?: Date }>('contracts')
    const events = connection.collection<{ _id: string; stream: string; at: Date; key: string }>('events')
    const time = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second))
    await contracts.insertMany([
      { _id: 'busy', opened_at: time(1) },
      { _id: 'busy-2', opened_at: time(2) },
      { _id: 'new', opened_at: time(3), last_activity_at: time(9) },
      { _id: 'silent', opened_at: time(4) },
    ])
    const event = (contract_id: string, seq: number, second: number) => ({
      ...{ _id: `contract:${contract_id}:${String(seq).padStart(12, '0')}`, stream: `contract:${contract_id}` },
      ...{ at: time(second), key: `${contract_id} ${seq}` },
    })
    await events.insertMany([event('busy', 1, 1), event('busy', 2, 6), event('busy-2', 1, 2), event('busy-2', 10, 8), event('new', 1, 3)])
    const listed = async () =>
      (await contracts.find().sort({ _id: 1 }).toArray()).map(({ _id, last_activity_at }) => [_id, last_activity_at?.getUTCSeconds()])
    const migrated = [
      ['busy', 6],
      ['busy-2', 8],
      ['new', 9],
      ['silent', 4],
    ]
    // Twice, as after a crash before it was noted.
    for (let turn = 0; turn < 2; turn++) {
      await connection.collection<{ _id: string }>('migrations').deleteOne({ _id: NAME })
      expect(await migrate(connection, 'test')).to.deep.equal([NAME])
      expect(await listed()).to.deep.equal(migrated)
    }
    const names = (await contracts.indexes()).map(({ name }) => name)
    expect(names).to.include.members(
      ['activity', 'requester_activity', 'provider_activity', 'state_activity'].map((one) => `contracts_${one}`),
    )
  })
})
