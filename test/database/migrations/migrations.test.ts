import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Connection } from 'mongoose'
import { connectDatabase } from '../../../server/database/connect.ts'
import { migrate } from '../../../server/database/migrate.ts'
import { testDatabase } from '../../harness/hub.ts'

const NAME = '0007-agent-sessions'
const INDEXES = ['agent_sessions_expiry', 'agent_sessions_silent']

describe('migrations', () => {
  let connection: Connection

  before(async () => {
    const name = `migrations_${randomUUID().slice(0, 8)}`
    connection = (await connectDatabase(await testDatabase(), { kind: 'mongodb', name })).connection
  })
  after(async () => {
    await connection.dropDatabase()
    await connection.close()
  })

  const sessions = () => connection.collection<{ _id: string }>('agent_sessions')
  const indexNames = async () => (await sessions().indexes()).map(({ name }) => name)
  const forgetMigration = () => connection.collection<{ _id: string }>('migrations').deleteOne({ _id: NAME })

  it('[DB-70] an empty database gets all of them, once', async () => {
    expect(await migrate(connection, 'test')).to.include(NAME)
    expect(await migrate(connection, 'test')).to.deep.equal([])
    expect(await indexNames()).to.include.members(INDEXES)
  })

  it('[DB-70] sessions of the schema before are watched where they live, and looked at before they expire', async () => {
    for (const index of INDEXES) await sessions().dropIndex(index)
    await forgetMigration()
    const at = new Date()
    const row = { agent_id: 'agent', agent_name: 'a', agent_version: '1', node_id: 'n', tools: null }
    const times = { started_at: at, seen_at: at, hello_at: at, held_at: at }
    const old = [
      { _id: 'live', ...row, ...times, live: true },
      { _id: 'gone', ...row, ...times, live: false },
    ]
    await sessions().insertMany(old as never)
    expect(await migrate(connection, 'test')).to.deep.equal([NAME])
    const news = async () =>
      (await sessions().find().sort({ _id: 1 }).toArray()).map(({ _id, ...rest }) => [_id, 'watched' in rest, 'ill' in rest])
    const migrated = [
      ['gone', false, true],
      ['live', true, true],
    ]
    expect(await news()).to.deep.equal(migrated)
    expect(await indexNames()).to.include.members(INDEXES)

    // A crash before it was noted: it runs once more, and changes nothing of what is newer.
    const newer = { _id: 'new', ...row, ...times, live: true, watched: true, expires_at: new Date(at.getTime() + 86_400_000) }
    await sessions().insertOne(newer as never)
    await forgetMigration()
    await migrate(connection, 'test')
    expect(await news()).to.deep.equal([...migrated, ['new', true, false]])
  })
})
