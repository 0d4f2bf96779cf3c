import { Long } from 'bson'
import type { Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { compileProjection } from '../query/projection.ts'
import { countAll, findAll, openQuery, type QueryOptions, type Source } from '../query/query.ts'
import type { Collection } from '../storage/catalog.ts'
import { decode } from '../storage/duplicate-key.ts'
import { parsePath, someAtPath } from '../values/paths.ts'
import { sortKey } from '../values/sort-key.ts'
import { elementsOf, numberOf, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Command } from '../wire/wire.ts'
import { hintOf, isOn, namespaceOf, optionalDocument, optionalWhole, sortOf } from './arguments.ts'
import type { CommandRow } from './commands.ts'
import { okReply } from './reply.ts'

export const FIND_FIELDS =
  'filter sort projection skip limit batchSize singleBatch hint noCursorTimeout allowDiskUse allowPartialResults oplogReplay'
export const COUNT_FIELDS = 'query limit skip hint fields'
export const DISTINCT_FIELDS = 'key query hint'

export const readCommands: Record<string, CommandRow> = {
  find: { run: find, takes: FIND_FIELDS },
  getMore: { run: getMore, takes: 'collection batchSize' },
  killCursors: { run: killCursors, takes: 'cursors' },
  count: { run: count, takes: COUNT_FIELDS },
  distinct: { run: distinct, takes: DISTINCT_FIELDS },
}

export const EMPTY_SOURCE: Source = { next: () => undefined, pause: () => undefined, isSpent: () => true }

export function queryOptions({ fields }: Command): QueryOptions {
  return {
    filter: compileFilter(optionalDocument(fields, 'filter')),
    sort: sortOf(optionalDocument(fields, 'sort')),
    skip: optionalWhole(fields, 'skip'),
    limit: optionalWhole(fields, 'limit'),
    hint: hintOf(fields),
    project: compileProjection(optionalDocument(fields, 'projection')),
  }
}

function find({ storage, catalog, cursors }: Engine, command: Command): Buffer {
  const namespace = namespaceOf(command)
  const options = queryOptions(command)
  const batchSize = optionalWhole(command.fields, 'batchSize')
  const collection = catalog.find(namespace)
  const source = collection ? openQuery(storage, collection, options) : EMPTY_SOURCE
  return cursors.firstBatch(source, { namespace, batchSize, isSingle: isOn(command.fields, 'singleBatch') })
}

function getMore({ cursors }: Engine, command: Command): Buffer {
  const id = command.fields.get('getMore')
  const name = command.fields.get('collection')
  if (id?.type !== TYPE.long || name?.type !== TYPE.string) throw new MongoRefusal(14, 'getMore needs a long id and a collection name')
  const namespace = `${command.database}.${stringOf(name)}`
  return cursors.getMore(id.buffer.readBigInt64LE(id.start), namespace, optionalWhole(command.fields, 'batchSize'))
}

function killCursors({ cursors }: Engine, command: Command): Buffer {
  const list = command.fields.get('cursors')
  const ids =
    list?.type === TYPE.array
      ? elementsOf(list).map((id) => BigInt(numberOf(id) === undefined ? 0 : id.buffer.readBigInt64LE(id.start)))
      : []
  const killed = ids.filter((id) => cursors.kill(id))
  const missing = ids.filter((id) => !killed.includes(id))
  const shown = (some: bigint[]) => some.map((id) => Long.fromBigInt(id))
  return okReply({ cursorsKilled: shown(killed), cursorsNotFound: shown(missing), cursorsAlive: [], cursorsUnknown: [] })
}

function count({ storage, catalog }: Engine, command: Command): Buffer {
  const { fields } = command
  const collection = catalog.find(namespaceOf(command))
  const filter = compileFilter(optionalDocument(fields, 'query'))
  if (!collection) return okReply({ n: 0 })
  const limit = Math.abs(numberOf(fields.get('limit')) ?? 0)
  const n = countAll(storage, collection, { filter, sort: [], skip: optionalWhole(fields, 'skip'), limit, hint: hintOf(fields) })
  return okReply({ n })
}

function distinct({ storage, catalog }: Engine, command: Command): Buffer {
  const key = command.fields.get('key')
  if (key?.type !== TYPE.string)
    throw new MongoRefusal(14, "BSON field 'distinct.key' is missing or the wrong type, expected type 'string'")
  const filter = compileFilter(optionalDocument(command.fields, 'query'))
  const collection = catalog.find(namespaceOf(command))
  if (!collection) return okReply({ values: [] })
  return okReply({ values: distinctValues({ storage, collection, filter, path: stringOf(key) }) })
}

type Distinct = { storage: Engine['storage']; collection: Collection; filter: QueryOptions['filter']; path: string }

function distinctValues({ storage, collection, filter, path: name }: Distinct): unknown[] {
  const path = parsePath(name)
  const values = new Map<string, Value>()
  const source = findAll(storage, collection, { filter, sort: [] })
  for (let found = source.next(); found; found = source.next()) {
    someAtPath(found.document, path, true, (value) => {
      if (value && value.type !== TYPE.array) values.set(sortKey(value).toString('latin1'), value)
      return false
    })
  }
  return [...values.entries()].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, value]) => decode(value))
}
