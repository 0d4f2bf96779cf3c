import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import mongoose, { type Connection, type mongo } from 'mongoose'
import { migrate } from '../../../server/database/migrate.ts'
import { type ContractRows, createContractRows } from '../../../server/features/rooms/contract-rows.ts'
import { createRoomModels, type RoomModels } from '../../../server/features/rooms/model.ts'
import { createManualClock } from '../../harness/clock.ts'
import { testDatabase } from '../../harness/hub.ts'

const OTHERS = 100

type ListQuery = Parameters<ContractRows['list']>[1]

describe('the list of contracts', () => {
  let connection: Connection
  const asked: { filter: mongo.Document; sort?: mongo.Sort }[] = []

  before(async () => {
    const dbName = `rows_${randomUUID().slice(0, 8)}`
    connection = await mongoose.createConnection(await testDatabase(), { dbName, monitorCommands: true }).asPromise()
    await migrate(connection, 'test')
    connection.getClient().on('commandStarted', ({ commandName, command }) => {
      if (commandName === 'find' && command.find === 'contracts') asked.push({ filter: command.filter, sort: command.sort })
      if (commandName === 'aggregate' && command.aggregate === 'contracts') asked.push({ filter: command.pipeline[0].$match })
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
    for (const question of [...asked]) examined += await examinedBy(contracts, question)
    expect(examined).to.be.within(1, 2 * (theirs.length + 1))
  })

  it('[ROOM-41] a list of contracts reads those of whom it is for, in every order and page, and is what one look at all would give', async () => {
    const { contracts } = createRoomModels(connection)
    await contracts.deleteMany({})
    const [people, states] = [['ann', 'bob', 'cy', 'dee'], ['open', 'ended'] as const]
    const row = (_id: string, at: number, parties: { requester_id: string; provider_id: string }) => ({
      ...{ _id, ...parties, title: _id, state: states[at % 2], permissions: {}, opened_at: new Date(at) },
      // Some at the same moment, so that the id decides.
      last_activity_at: new Date((at * 7) % 5),
    })
    const theirs = Array.from({ length: 32 }, (_, at) => {
      const parties = { requester_id: people[at % 4] ?? '', provider_id: people[(at >> 2) % 4] ?? '' }
      return row(`d${String(at).padStart(3, '0')}`, at, parties)
    })
    const others = Array.from({ length: OTHERS }, (_, at) => row(`c${at}`, at, { requester_id: `u${at}`, provider_id: `a${at}` }))
    await contracts.insertMany([...others, ...theirs] as never)
    const rows = createContractRows({ models: { contracts } as never, clock: createManualClock(), onTrouble: expect.fail })

    for (const parties of [['ann'], ['ann', 'cy'], ['nobody']]) {
      for (const sort_by of ['opened_at', 'last_activity_at'] as const) {
        for (const [sort_order, state] of [
          ['desc', undefined],
          ['asc', 'open'],
          ['desc', 'ended'],
        ] as const) {
          const query = { sort_by, sort_order, ...(state === undefined ? {} : { state }) }
          const mine = theirs.filter((one) => isOf(one, parties) && (state === undefined || one.state === state))
          const sorted = mine.sort((a, b) => {
            const by = sort_by === 'opened_at' ? 0 : Number(a.last_activity_at) - Number(b.last_activity_at)
            return (by || (a._id < b._id ? -1 : 1)) * (sort_order === 'asc' ? 1 : -1)
          })
          asked.length = 0
          expect(await pagesOf(rows, parties, query)).to.deep.equal(sorted.map(({ _id }) => _id))
          const { rows: third, page } = await rows.list(parties, { ...query, limit: 2, offset: 3 })
          expect([third.map(({ _id }) => _id), page.total]).to.deep.equal([sorted.slice(3, 5).map(({ _id }) => _id), mine.length])
          for (const question of asked.splice(0)) expect(await examinedBy(contracts, question)).to.be.at.most(theirs.length)
        }
      }
    }
    // Too many to be asked for one by one: the same rows.
    const crowd = [...people, ...Array.from({ length: 9 }, (_, at) => `u${at}`)]
    const { rows: all, page } = await rows.list(crowd, { sort_by: 'opened_at', sort_order: 'asc', limit: 100, offset: 0 })
    expect([all.length, page.total]).to.deep.equal([theirs.length + 9, theirs.length + 9])
  })
})

type Question = { filter: mongo.Document; sort?: mongo.Sort }

async function examinedBy(contracts: RoomModels['contracts'], { filter, sort = {} }: Question): Promise<number> {
  const { executionStats } = await contracts.find(filter).sort(sort).explain('executionStats')
  return executionStats.totalDocsExamined
}

function isOf({ requester_id, provider_id }: { requester_id: string; provider_id: string }, parties: string[]): boolean {
  return parties.includes(requester_id) || parties.includes(provider_id)
}

/** All ids, page by page. */
async function pagesOf(
  rows: ContractRows,
  parties: string[],
  query: Pick<ListQuery, 'sort_by' | 'sort_order' | 'state'>,
): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await rows.list(parties, { ...query, limit: 5, offset: 0, ...(cursor === undefined ? {} : { cursor }) })
    ids.push(...page.rows.map(({ _id }) => _id))
    cursor = page.page.next_cursor
    if (cursor === undefined) return ids
  }
}
