import type { Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { findAll } from '../query/query.ts'
import type { Collection } from '../storage/catalog.ts'
import { decode } from '../storage/duplicate-key.ts'
import { collectionFor, updateMatching } from '../update/modify.ts'
import { compileUpdate } from '../update/update.ts'
import { isTruthy, numberOf, type Value } from '../values/value.ts'
import type { Command } from '../wire/wire.ts'
import { assertKnown, documentList, fieldMap, hintOf, isOn, namespaceOf, optionalDocument, requiredDocument } from './arguments.ts'
import { findAndModify } from './command-find-and-modify.ts'
import type { CommandRow } from './commands.ts'
import { MAX_BATCH } from './commands-session.ts'
import { okReply } from './reply.ts'

export const writeCommands: Record<string, CommandRow> = {
  insert: { run: insert, takes: 'documents' },
  update: { run: update, takes: 'updates' },
  delete: { run: remove, takes: 'deletes' },
  findAndModify: { run: findAndModify, takes: 'query sort remove update new fields upsert hint' },
  findandmodify: { run: findAndModify, takes: 'query sort remove update new fields upsert hint' },
}

type WriteError = { index: number; code: number; errmsg: string; [extra: string]: unknown }

function insert(engine: Engine, command: Command): Promise<Buffer> {
  const documents = operationsOf(command, 'documents')
  namespaceOf(command)
  return engine.storage.write(() => {
    const collection = collectionFor(engine, command)
    let n = 0
    const writeErrors = attemptEach(command, documents, (document) => {
      engine.documents.insert(collection, document)
      n++
    })
    return okReply({ n, writeErrors })
  })
}

const UPDATE_FIELDS = new Set(['q', 'u', 'multi', 'upsert', 'hint'])

function update(engine: Engine, command: Command): Promise<Buffer> {
  const operations = operationsOf(command, 'updates')
  namespaceOf(command)
  return engine.storage.write(() => {
    const total = { n: 0, nModified: 0 }
    const upserted: { index: number; _id: unknown }[] = []
    const now = Date.now()
    const writeErrors = attemptEach(command, operations, (operation, index) => {
      const fields = fieldMap(operation)
      assertKnown(fields, UPDATE_FIELDS, 'update.updates')
      const change = fields.get('u')
      if (!change) throw new MongoRefusal(40414, "BSON field 'update.updates.u' is missing but a required field")
      const request = {
        query: requiredDocument(fields, 'q'),
        update: compileUpdate(change),
        isMulti: isOn(fields, 'multi'),
        isUpsert: isOn(fields, 'upsert'),
        hint: hintOf(fields),
        now,
      }
      const outcome = updateMatching(engine, command, request)
      total.n += outcome.n
      total.nModified += outcome.nModified
      if (outcome.upsertedId) upserted.push({ index, _id: decode(outcome.upsertedId) })
    })
    return okReply({ ...total, upserted: upserted.length > 0 ? upserted : undefined, writeErrors })
  })
}

const DELETE_FIELDS = new Set(['q', 'limit', 'hint'])

function remove(engine: Engine, command: Command): Promise<Buffer> {
  const operations = operationsOf(command, 'deletes')
  const namespace = namespaceOf(command)
  return engine.storage.write(() => {
    let n = 0
    const writeErrors = attemptEach(command, operations, (operation) => {
      const fields = fieldMap(operation)
      assertKnown(fields, DELETE_FIELDS, 'delete.deletes')
      const limit = numberOf(fields.get('limit'))
      if (limit !== 0 && limit !== 1) throw new MongoRefusal(9, 'The limit field in delete objects must be 0 or 1')
      const filter = compileFilter(optionalDocument(fields, 'q'))
      const collection = engine.catalog.find(namespace)
      if (collection) n += removeMatching(engine, collection, { filter, limit, hint: hintOf(fields) })
    })
    return okReply({ n, writeErrors })
  })
}

type Removal = { filter: ReturnType<typeof compileFilter>; limit: number; hint: ReturnType<typeof hintOf> }

function removeMatching({ storage, documents }: Engine, collection: Collection, { filter, limit, hint }: Removal): number {
  const source = findAll(storage, collection, { filter, sort: [], limit, hint })
  const found = []
  for (let next = source.next(); next; next = source.next()) found.push(next)
  for (const { id, document } of found) documents.remove(collection, id, document)
  return found.length
}

function operationsOf(command: Command, name: string): Value[] {
  const operations = documentList(command, name)
  if (operations.length === 0 || operations.length > MAX_BATCH) {
    throw new MongoRefusal(72, `Write batch sizes must be between 1 and ${MAX_BATCH}. Got ${operations.length} operations.`)
  }
  return operations
}

/** Runs a batch as MongoDB does: ordered stops at the first refusal and what went before stays; unordered tries them all. */
function attemptEach(command: Command, operations: Value[], attempt: (operation: Value, index: number) => void): WriteError[] | undefined {
  const ordered = command.fields.get('ordered')
  const isOrdered = ordered === undefined || isTruthy(ordered)
  const errors: WriteError[] = []
  for (const [index, operation] of operations.entries()) {
    try {
      attempt(operation, index)
    } catch (error) {
      if (!(error instanceof MongoRefusal)) throw error
      errors.push({ index, code: error.code, ...error.extra, errmsg: error.message })
      if (isOrdered) break
    }
  }
  return errors.length > 0 ? errors : undefined
}
