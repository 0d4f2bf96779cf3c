import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import mongoose, { type Connection, type mongo } from 'mongoose'
import { migrate } from '../../../server/database/migrate.ts'
import { createContractRows } from '../../../server/features/rooms/contract-rows.ts'
import { createRoomModels } from '../../../server/features/rooms/model.ts'
import { createManualClock } from '../../harness/clock.ts'
import { testDatabase } from '../../harness/hub.ts'

const OTHERS = 300

describe('the list of contracts', () => {
  let connection: Connection
  const asked: { filter: mongo.Document; sort?: mongo.Sort }[] = []

  before(async () => {
    const dbName = `rows_${randomUUID().slice(0, 8)}`
    connection = await mongoose.createConnection(await testDatabase(), { dbName, monitorCommands: true }).asPromise()
    await migrate(connection, 'test')
    connection.getClient().on('commandStarted', ({ commandName, command }) => {
      if (commandName === 'find' && command.find === 'contracts') asked.push({ filter: command.filter, sort: command.sort })
    })
  })
  after(async () => {
    await connection.dropDatabase()
    await connection.close()
  })

  it('[ROOM-40] whose open contracts are asked for, theirs alone are read, however many are open', async () => {
    const { contracts } = createRoomModels(connection)
    const row = (_id: string, requester_id: string, provider_id: string, state = 'open') => ({ _id, requester_id, provider_id, state })
    const others = Array.from({ length: OTHERS }, (_, at) => row(`c${at}`, `u${at}`, `a${at}`))
    const theirs = [
      row('d1', 'x', 'ann'),
      row('d2', 'ann', 'y'),
      row('d3', 'ann', 'ann'),
      row('d4', 'x', 'ann'),
      row('d5', 'ann', 'y', 'ended'),
    ]
    await contracts.insertMany([...others, ...theirs] as never)
    const rows = createContractRows({ models: { contracts } as never, clock: createManualClock(), onTrouble: expect.fail })

    expect(await rows.openOf('ann')).to.deep.equal(['d4', 'd3', 'd2', 'd1'])
    expect((await rows.allOpenOf('ann')).toSorted()).to.deep.equal(['d1', 'd2', 'd3', 'd4'])
    let examined = 0
    for (const { filter, sort = {} } of [...asked]) {
      const { executionStats } = await contracts.find(filter).sort(sort).explain('executionStats')
      examined += executionStats.totalDocsExamined
    }
    expect(examined).to.be.within(1, 2 * (theirs.length + 1))
  })
})
