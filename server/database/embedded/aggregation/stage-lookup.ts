import { MongoRefusal } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { findAll } from '../query/query.ts'
import { placesAt } from '../update/update-path.ts'
import { parsePath, someAtPath } from '../values/paths.ts'
import { documentOf, type Node, NULL, openObject } from '../values/tree.ts'
import { fieldsOf, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Stage, StageContext } from './aggregate.ts'
import { documentArgument } from './stage-values.ts'

type Lookup = { from: string; localField: string; foreignField: string; as: string }

/** The equality form of `$lookup`: each document asks the other collection through its indexes. The pipeline form is refused. */
export function lookupStage(argument: Value, { engine, database }: StageContext): Stage {
  const { from, localField, foreignField, as } = lookupOf(argument)
  const local = parsePath(localField)
  return function* joined(documents) {
    const collection = engine.catalog.find(`${database}.${from}`)
    for (const document of documents) {
      const items: Node[] = []
      const filter = compileFilter(equals(foreignField, valuesAt(document, local)))
      const source = collection && findAll(engine.storage, collection, { filter, sort: [] })
      for (let found = source?.next(); found; found = source?.next()) items.push(found.document)
      const root = openObject(document)
      for (const place of placesAt(root, as, 'create')) place.set({ kind: 'array', items })
      yield documentOf(root)
    }
  }
}

function lookupOf(argument: Value): Lookup {
  const given = new Map(fieldsOf(documentArgument(argument, '$lookup')).map((field) => [field.name, field.value]))
  for (const name of given.keys()) {
    if (!['from', 'localField', 'foreignField', 'as'].includes(name)) {
      throw new MongoRefusal(9, `the embedded database does not offer '${name}' in $lookup`)
    }
  }
  const text = (name: string) => {
    const value = given.get(name)
    if (value?.type !== TYPE.string) throw new MongoRefusal(9, `$lookup argument '${name}' must be a string`)
    return stringOf(value)
  }
  return { from: text('from'), localField: text('localField'), foreignField: text('foreignField'), as: text('as') }
}

/** A missing local field is looked up as null; an array is looked up by each of its elements. */
function valuesAt(document: Value, path: ReturnType<typeof parsePath>): Value[] {
  const values: Value[] = []
  someAtPath(document, path, true, (value) => {
    if (value?.type !== TYPE.array) values.push(value ?? NULL)
    return false
  })
  return values
}

function equals(field: string, values: Value[]): Value {
  const list: Node = { kind: 'object', fields: new Map<string, Node>([['$in', { kind: 'array', items: values }]]) }
  return documentOf({ kind: 'object', fields: new Map<string, Node>([[field, list]]) })
}
