import type { Connection, mongo } from 'mongoose'
import { type By, type EventDraft, trailEvents } from '../../../shared/protocol/index.ts'
import { facetsOfRoom } from '../../core/words/facets.ts'
import { makeIndexes } from '../indexes.ts'
import type { Migration } from '../migrate.ts'

interface EventRow {
  _id: string
  stream: string
  type: string
  by: By
  json: string
  call_id?: string
  facets?: string[]
}

interface ContractRow {
  _id: string
  provider_id: string
}

const AT_ONCE = 500

/** What the audit trail finds an event by, newest first; for the events that were there before it too. */
export const auditFacets: Migration = {
  name: '0004-audit-facets',
  up: async (connection) => {
    await makeIndexes(connection, [
      { collection: 'events', name: 'events_facets', keys: { facets: 1, at: 1, _id: 1 }, partial: { facets: { $exists: true } } },
    ])
    await giveFacets(connection)
  },
}

async function giveFacets(connection: Connection): Promise<void> {
  const events = connection.collection<EventRow>('events')
  let after = ''
  for (;;) {
    const rows = await events
      .find({ _id: { $gt: after }, type: { $in: Object.keys(trailEvents) }, facets: { $exists: false } })
      .sort({ _id: 1 })
      .limit(AT_ONCE)
      .toArray()
    const last = rows.at(-1)
    if (last === undefined) return
    after = last._id
    const known = { providers: await providersOf(connection, rows), tools: await toolsOf(connection, rows) }
    await events.bulkWrite(rows.map((row) => giving(row, known)))
  }
}

async function providersOf(connection: Connection, rows: readonly EventRow[]): Promise<Map<string, string>> {
  const ids = [...new Set(rows.map(contractOf))]
  const contracts = await connection
    .collection<ContractRow>('contracts')
    .find({ _id: { $in: ids } }, { projection: { provider_id: 1 } })
    .toArray()
  return new Map(contracts.map(({ _id, provider_id }) => [_id, provider_id]))
}

/** Of the calls, by what asked for them: not every later event of a call names its tool again. */
async function toolsOf(connection: Connection, rows: readonly EventRow[]): Promise<Map<string, string>> {
  const ids = [...new Set(rows.flatMap(({ call_id }) => call_id ?? []))]
  const asked = await connection
    .collection<EventRow>('events')
    .find({ call_id: { $in: ids }, type: 'call.requested' }, { projection: { call_id: 1, json: 1 } })
    .toArray()
  return new Map(asked.flatMap(({ call_id, json }) => (call_id === undefined ? [] : [[call_id, JSON.parse(json).data.tool]])))
}

function giving(
  row: EventRow,
  { providers, tools }: { providers: ReadonlyMap<string, string>; tools: ReadonlyMap<string, string> },
): mongo.AnyBulkWriteOperation<EventRow> {
  const event = JSON.parse(row.json) as EventDraft
  const contract_id = contractOf(row)
  const tool = 'tool' in event.data ? event.data.tool : tools.get(row.call_id ?? '')
  const facets = facetsOfRoom(event, { contract_id, by: row.by, provider_id: providers.get(contract_id), tool }) ?? []
  return { updateOne: { filter: { _id: row._id }, update: { $set: { facets } } } }
}

function contractOf({ stream }: EventRow): string {
  return stream.slice('contract:'.length)
}
