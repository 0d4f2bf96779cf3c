import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Connection } from 'mongoose'
import { connectDatabase } from '../../../server/database/connect.ts'
import { migrate } from '../../../server/database/migrate.ts'
import { testDatabase } from '../../harness/hub.ts'
import { setStage } from '../../scenarios/stage.ts'

const NAME = '0004-audit-facets'
/** More than it takes at once. */
const MANY = 620

interface Row {
  _id: string
  stream: string
  type: string
  facets?: string[]
}

describe('the migration of what the audit trail finds an event by', () => {
  let connection: Connection

  before(async () => {
    const name = `facets_${randomUUID().slice(0, 8)}`
    connection = (await connectDatabase(await testDatabase(), { kind: 'mongodb', name })).connection
    await migrate(connection, 'test')
  })
  after(async () => {
    await connection.dropDatabase()
    await connection.close()
  })

  /** Runs it as if it had never been noted. */
  async function again(): Promise<void> {
    await connection.collection<{ _id: string }>('migrations').deleteOne({ _id: NAME })
    expect(await migrate(connection, 'test')).to.deep.equal([NAME])
  }

  const facetsOf = async () =>
    new Map((await connection.collection<Row>('events').find().toArray()).map(({ _id, facets }) => [_id, facets?.toSorted()]))

  it('[DB-71] the log of a release before the trail is found by what a new one is, but for the key that was shown; run twice, it changes nothing', async () => {
    const stage = await setStage()
    const call_id = await stage.call('one')
    await stage.agent.must('agent.tool.result', { call_id, status: 'succeeded', output: 'HELLO' })
    await stage.human.must('message.post', { contract_id: stage.contract_id, key: 'm', body: 'not of the trail' })
    const of = (await connectDatabase(stage.hub.mongodb_uri, { kind: 'mongodb', name: stage.hub.database_name })).connection
    const rows = await of
      .collection<Row>('events')
      .find({ stream: `contract:${stage.contract_id}` })
      .sort({ _id: 1 })
      .toArray()
    const contracts = await of.collection<{ _id: string }>('contracts').find().toArray()
    await of.close()
    await stage.close()

    // As they lay there before: the same documents, without what this migration brings.
    const events = connection.collection<Row>('events')
    await events.insertMany(rows.map(({ facets: _facets, ...row }) => row))
    await connection.collection<{ _id: string }>('contracts').insertMany(contracts)
    await again()
    const found = await facetsOf()
    const isOfOldToo = (facet: string) => !facet.startsWith('key:')
    for (const { _id, facets } of rows) expect(found.get(_id), _id).to.deep.equal(facets?.filter(isOfOldToo).toSorted())
    const types = rows.filter(({ _id }) => found.get(_id) === undefined).map(({ type }) => type)
    expect(types).to.deep.equal(['message.posted'])
    await again()
    expect(await facetsOf()).to.deep.equal(found)
  })

  it('[DB-71] it goes on to the last of many, and leaves what has its tags already as it is', async () => {
    const events = connection.collection<Row & { by: object; json: string; key: string }>('events')
    const stream = `contract:${randomUUID()}`
    const event = (seq: number) => ({
      ...{
        _id: `${stream}:${String(seq).padStart(12, '0')}`,
        stream,
        type: 'contract.ended',
        key: `end ${seq}`,
        by: { kind: 'user', id: 'ada' },
      },
      json: JSON.stringify({ type: 'contract.ended', data: { outcome: 'done' } }),
    })
    const [first, ...others] = Array.from({ length: MANY }, (_, at) => event(at + 1))
    if (first === undefined) throw new Error('none')
    await events.insertMany([{ ...first, facets: ['any', 'its own'] }, ...others])
    await again()
    const found = await events.find({ stream }).sort({ _id: 1 }).toArray()
    expect(found).to.have.length(MANY)
    expect(found[0]?.facets).to.deep.equal(['any', 'its own'])
    expect(found.slice(1).every(({ facets }) => facets?.includes('actor:ada') && facets.includes('type:contract.ended'))).to.equal(true)
  })
})
