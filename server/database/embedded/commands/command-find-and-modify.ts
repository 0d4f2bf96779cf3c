import type { Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { compileProjection, type Project } from '../query/projection.ts'
import { findAll } from '../query/query.ts'
import { updateMatching } from '../update/modify.ts'
import { compileUpdate } from '../update/update.ts'
import { boolValue, documentOf, doubleValue, intValue, type Node, NULL, type Tree } from '../values/tree.ts'
import { bytesOf, TYPE, type Value } from '../values/value.ts'
import type { Command } from '../wire/wire.ts'
import { hintOf, isOn, namespaceOf, optionalDocument, sortOf } from './arguments.ts'

const EMPTY: Value = { type: TYPE.object, buffer: Buffer.from([5, 0, 0, 0, 0]), start: 0, end: 5 }

/** One document found, changed or removed, and given back, all in one transaction. */
export function findAndModify(engine: Engine, command: Command): Promise<Buffer> {
  const { fields } = command
  namespaceOf(command)
  const project = compileProjection(optionalDocument(fields, 'fields'))
  const change = fields.get('update')
  if (isOn(fields, 'remove')) {
    if (change) throw new MongoRefusal(9, "Cannot specify both an 'update' and 'remove' field")
    if (isOn(fields, 'upsert')) throw new MongoRefusal(9, "Cannot specify both 'upsert' and 'remove' field")
    if (isOn(fields, 'new')) throw new MongoRefusal(9, "Cannot specify both 'new' and 'remove' field")
    return engine.storage.write(() => removeOne(engine, command, project))
  }
  if (!change) throw new MongoRefusal(9, "Either an 'update' or 'remove' field must be specified")
  const update = compileUpdate(change)
  const request = {
    query: optionalDocument(fields, 'query') ?? EMPTY,
    update,
    isMulti: false,
    isUpsert: isOn(fields, 'upsert'),
    hint: hintOf(fields),
    sort: sortOf(optionalDocument(fields, 'sort')),
    now: Date.now(),
  }
  return engine.storage.write(() => {
    const outcome = updateMatching(engine, command, request)
    const shown = isOn(fields, 'new') ? outcome.after : outcome.before
    const isOld = outcome.n > 0 && !outcome.upsertedId
    return answer(shown, project, {
      n: intValue(outcome.n),
      updatedExisting: boolValue(isOld),
      ...(outcome.upsertedId && { upserted: outcome.upsertedId }),
    })
  })
}

function removeOne({ storage, catalog, documents }: Engine, command: Command, project: Project | undefined): Buffer {
  const { fields } = command
  const collection = catalog.find(namespaceOf(command))
  const filter = compileFilter(optionalDocument(fields, 'query'))
  const sort = sortOf(optionalDocument(fields, 'sort'))
  const found = collection && findAll(storage, collection, { filter, sort, limit: 1, hint: hintOf(fields) }).next()
  if (collection && found) documents.remove(collection, found.id, found.document)
  return answer(found?.document, project, { n: intValue(found ? 1 : 0) })
}

function answer(document: Value | undefined, project: Project | undefined, last: Record<string, Node>): Buffer {
  const value: Node = document ? (project ? project(document) : document) : NULL
  const lastErrorObject: Tree = { kind: 'object', fields: new Map(Object.entries(last)) }
  const fields = new Map<string, Node>([
    ['lastErrorObject', lastErrorObject],
    ['value', value],
    ['ok', doubleValue(1)],
  ])
  return bytesOf(documentOf({ kind: 'object', fields }))
}
