import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { connectDatabase } from '../../server/database/connect.ts'
import { testDatabase } from '../harness/hub.ts'

describe('the connection to a database', () => {
  it('[SET-13] a URI that reads from secondaries and waits for nobody is heeded in neither', async () => {
    const [given, said] = [await testDatabase(), 'readPreference=secondaryPreferred&w=0&journal=false']
    const uri = `${given}${given.includes('?') ? '&' : given.replace('//', '').includes('/') ? '?' : '/?'}${said}`
    const { connection } = await connectDatabase(uri, { kind: 'mongodb', name: `said_${randomUUID().slice(0, 8)}` })
    try {
      const { readPreference, writeConcern } = connection.getClient().options
      expect(readPreference.mode).to.equal('primary')
      expect(writeConcern).to.deep.include({ w: 'majority', j: true })
      const written = await connection.collection<{ _id: string }>('rows').updateOne({ _id: 'a' }, { $set: { at: 1 } }, { upsert: true })
      expect(written).to.deep.include({ acknowledged: true, upsertedId: 'a' })
    } finally {
      await connection.dropDatabase()
      await connection.close()
    }
  })
})
