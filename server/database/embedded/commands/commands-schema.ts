import { serialize } from 'bson'
import type { Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import type { Source } from '../query/query.ts'
import { type Collection, type Index, tableEnd } from '../storage/catalog.ts'
import { decode } from '../storage/duplicate-key.ts'
import { assertSameIndex, indexSpecOf } from '../storage/index-spec.ts'
import type { Storage } from '../storage/storage.ts'
import { documentAt, elementsOf, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Command } from '../wire/wire.ts'
import { collectionName, documentList, fieldMap, isOn, namespaceOf, optionalDocument, optionalWhole } from './arguments.ts'
import type { CommandRow } from './commands.ts'
import { okReply, toBson } from './reply.ts'

export const schemaCommands: Record<string, CommandRow> = {
  create: { run: create, takes: 'autoIndexId expireAfterSeconds' },
  drop: { run: drop, takes: '' },
  dropDatabase: { run: dropDatabase, takes: '' },
  listCollections: { run: listCollections, takes: 'filter nameOnly cursor authorizedCollections' },
  listDatabases: { run: listDatabases, takes: 'filter nameOnly authorizedDatabases' },
  createIndexes: { run: createIndexes, takes: 'indexes commitQuorum' },
  listIndexes: { run: listIndexes, takes: 'cursor' },
  dropIndexes: { run: dropIndexes, takes: 'index' },
}

function create({ storage, catalog }: Engine, command: Command): Promise<Buffer> {
  const name = collectionName(command)
  if (command.fields.has('expireAfterSeconds')) throw new MongoRefusal(115, 'the embedded database does not offer time series collections')
  return storage.write(() => {
    if (catalog.find(`${command.database}.${name}`)) {
      throw new MongoRefusal(48, `Collection ${command.database}.${name} already exists.`)
    }
    catalog.create(command.database, name)
    return okReply()
  })
}

function drop(engine: Engine, command: Command): Promise<Buffer> {
  const namespace = namespaceOf(command)
  return engine.storage.write(() => {
    const collection = engine.catalog.find(namespace)
    if (!collection) return okReply()
    const nIndexesWas = collection.indexes.length + 1
    dropCollection(engine, collection)
    return okReply({ nIndexesWas, ns: namespace })
  })
}

function dropDatabase(engine: Engine, { database }: Command): Promise<Buffer> {
  return engine.storage.write(() => {
    const collections = engine.catalog.list().filter((collection) => collection.database === database)
    for (const collection of collections) dropCollection(engine, collection)
    return okReply(collections.length > 0 ? { dropped: database } : {})
  })
}

function dropCollection({ storage, catalog, cursors }: Engine, collection: Collection) {
  for (const { table } of [collection, ...collection.indexes]) clearTable(storage, table)
  catalog.remove(collection)
  cursors.forget((namespace) => namespace === collection.namespace)
}

const CLEAR_CHUNK = 1000

function clearTable(storage: Storage, table: Buffer) {
  for (;;) {
    const { entries, isEnd } = storage.range({ start: table, end: tableEnd(table), reverse: false, limit: CLEAR_CHUNK })
    for (const { key } of entries) storage.remove(key)
    if (isEnd) return
  }
}

export function listSource(documents: Value[]): Source {
  let at = 0
  return { next: () => documents[at++], pause: () => undefined, isSpent: () => at >= documents.length }
}

function batchSizeOf(command: Command): number | undefined {
  const cursor = optionalDocument(command.fields, 'cursor')
  return cursor && optionalWhole(fieldMap(cursor), 'batchSize')
}

function listCollections({ catalog, cursors }: Engine, command: Command): Buffer {
  const { test } = compileFilter(optionalDocument(command.fields, 'filter'))
  const isNameOnly = isOn(command.fields, 'nameOnly')
  const rows = catalog.list().filter(({ database }) => database === command.database)
  const documents = rows
    .map(({ name, options }) => {
      const row = { name, type: 'collection' }
      return isNameOnly ? row : { ...row, options, info: { readOnly: false }, idIndex: ID_INDEX }
    })
    .map((row) => documentAt(toBson(row)))
    .filter(test)
  const namespace = `${command.database}.$cmd.listCollections`
  return cursors.firstBatch(listSource(documents), { namespace, batchSize: batchSizeOf(command), isSingle: false })
}

function listDatabases({ catalog }: Engine, command: Command): Buffer {
  const { test } = compileFilter(optionalDocument(command.fields, 'filter'))
  const names = [...new Set(catalog.list().map(({ database }) => database))].sort()
  const isNameOnly = isOn(command.fields, 'nameOnly')
  const databases = names
    .map((name) => (isNameOnly ? { name } : { name, sizeOnDisk: 0, empty: false }))
    .filter((row) => test(documentAt(toBson(row))))
  return okReply(isNameOnly ? { databases } : { databases, totalSize: 0, totalSizeMb: 0 })
}

const ID_INDEX = { v: 2, key: { _id: 1 }, name: '_id_' }

function listIndexes({ catalog, cursors }: Engine, command: Command): Buffer {
  const namespace = namespaceOf(command)
  const collection = catalog.find(namespace)
  if (!collection) throw new MongoRefusal(26, `ns does not exist: ${namespace}`)
  const documents = [ID_INDEX, ...collection.indexes.map((index) => index.spec)].map((spec) => documentAt(Buffer.from(serialize(spec))))
  return cursors.firstBatch(listSource(documents), { namespace, batchSize: batchSizeOf(command), isSingle: false })
}

/** Builds in the one transaction that also names the index: a duplicate undoes all of it. */
function createIndexes(engine: Engine, command: Command): Promise<Buffer> {
  const { storage, catalog } = engine
  const name = collectionName(command)
  const specs = documentList(command, 'indexes').map(indexSpecOf)
  return storage.write(() => {
    const existing = catalog.find(`${command.database}.${name}`)
    const collection = existing ?? catalog.create(command.database, name)
    const numIndexesBefore = collection.indexes.length + 1
    for (const spec of specs) {
      if (Object.keys(spec.key).join() === '_id') continue
      if (assertSameIndex(collection, spec)) continue
      build(engine, collection, catalog.addIndex(collection, spec))
    }
    const numIndexesAfter = collection.indexes.length + 1
    const note = numIndexesAfter === numIndexesBefore ? 'all indexes already exist' : undefined
    return okReply({ numIndexesBefore, numIndexesAfter, createdCollectionAutomatically: !existing, note })
  })
}

function build({ storage, documents }: Engine, collection: Collection, index: Index) {
  const end = tableEnd(collection.table)
  let start = collection.table
  for (;;) {
    const { entries, isEnd } = storage.range({ start, end, reverse: false, limit: CLEAR_CHUNK, exclusiveStart: true })
    for (const { value } of entries) documents.addToIndex(collection, index, documentAt(value))
    const last = entries.at(-1)
    if (!last || isEnd) return
    start = last.key
  }
}

function dropIndexes({ storage, catalog }: Engine, command: Command): Promise<Buffer> {
  const namespace = namespaceOf(command)
  const wanted = command.fields.get('index')
  return storage.write(() => {
    const collection = catalog.find(namespace)
    if (!collection) throw new MongoRefusal(26, `ns not found ${namespace}`)
    const nIndexesWas = collection.indexes.length + 1
    const unwanted = indexesNamed(collection, wanted)
    for (const { table } of unwanted) clearTable(storage, table)
    collection.indexes = collection.indexes.filter((index) => !unwanted.includes(index))
    catalog.save(collection)
    return okReply({ nIndexesWas })
  })
}

function indexesNamed(collection: Collection, wanted: Value | undefined): Index[] {
  if (wanted?.type === TYPE.array) return elementsOf(wanted).flatMap((one) => indexesNamed(collection, one))
  if (wanted?.type === TYPE.string) {
    const name = stringOf(wanted)
    if (name === '*') return [...collection.indexes]
    if (name === '_id_') throw new MongoRefusal(72, 'cannot drop _id index')
    return [existingIndex(collection, (index) => index.spec.name === name, `index not found with name [${name}]`)]
  }
  if (wanted?.type !== TYPE.object) throw new MongoRefusal(14, "BSON field 'dropIndexes.index' is missing or the wrong type")
  const key = JSON.stringify(decode(wanted))
  return [existingIndex(collection, (index) => JSON.stringify(index.spec.key) === key, `can't find index with key: ${key}`)]
}

function existingIndex(collection: Collection, is: (index: Index) => boolean, message: string): Index {
  const found = collection.indexes.find(is)
  if (!found) throw new MongoRefusal(27, message)
  return found
}
