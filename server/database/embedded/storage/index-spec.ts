import { assertKnown, fieldMap, isOn, optionalDocument } from '../commands/arguments.ts'
import { MongoRefusal } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { fieldsOf, numberOf, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Collection, Index, IndexSpec } from './catalog.ts'
import { decode } from './duplicate-key.ts'

const KNOWN = new Set('v key name unique sparse partialFilterExpression expireAfterSeconds background ns'.split(' '))

/** Reads one index of `createIndexes`. Kinds that are not here (text, geo, hashed, wildcard, collation) are refused by name. */
export function indexSpecOf(document: Value): IndexSpec {
  const fields = fieldMap(document)
  assertKnown(fields, KNOWN, 'createIndexes.indexes')
  const key = keyOf(optionalDocument(fields, 'key'))
  const name = fields.get('name')
  if (name?.type !== TYPE.string) throw new MongoRefusal(9, `The 'name' field is a required property of an index specification`)
  const spec: IndexSpec = { v: 2, key, name: stringOf(name) }
  if (isOn(fields, 'unique')) spec.unique = true
  if (isOn(fields, 'sparse')) spec.sparse = true
  const partial = optionalDocument(fields, 'partialFilterExpression')
  if (partial) spec.partialFilterExpression = partialOf(partial)
  const seconds = fields.get('expireAfterSeconds')
  if (seconds) spec.expireAfterSeconds = secondsOf(seconds, key)
  if (partial && spec.sparse) throw new MongoRefusal(67, 'cannot mix "partialFilterExpression" and "sparse" options')
  return spec
}

function keyOf(value: Value | undefined): IndexSpec['key'] {
  const fields = value ? fieldsOf(value) : []
  if (fields.length === 0) throw new MongoRefusal(67, 'Index keys cannot be an empty object')
  const key: IndexSpec['key'] = {}
  for (const { name, value: direction } of fields) {
    const number = numberOf(direction)
    if (number === undefined || number === 0 || Number.isNaN(number)) {
      const kind = direction.type === TYPE.string ? `'${stringOf(direction)}'` : 'such'
      throw new MongoRefusal(67, `the embedded database does not offer ${kind} indexes ('${name}'): use 1 or -1`)
    }
    if (name === '' || name.includes('$')) throw new MongoRefusal(67, `the embedded database does not offer an index on '${name}'`)
    key[name] = number > 0 ? 1 : -1
  }
  return key
}

const PARTIAL_OPERATORS = new Set(['$eq', '$gt', '$gte', '$lt', '$lte', '$exists', '$type', '$in'])

function partialOf(partial: Value): Record<string, unknown> {
  for (const { name, value } of fieldsOf(partial)) {
    if (name.startsWith('$') && name !== '$and') throw new MongoRefusal(67, `unsupported expression in partial index: ${name}`)
    if (value.type !== TYPE.object) continue
    for (const operator of fieldsOf(value)) {
      const isOff = operator.name === '$exists' && numberOf(operator.value) === 0
      if (operator.name.startsWith('$') && (!PARTIAL_OPERATORS.has(operator.name) || isOff)) {
        throw new MongoRefusal(67, `unsupported expression in partial index: ${operator.name}`)
      }
    }
  }
  compileFilter(partial)
  return decode(partial) as Record<string, unknown>
}

function secondsOf(value: Value, key: IndexSpec['key']): number {
  const seconds = numberOf(value)
  if (seconds === undefined || seconds < 0)
    throw new MongoRefusal(67, "TTL index 'expireAfterSeconds' option must be a number of at least 0")
  if (Object.keys(key).length > 1) throw new MongoRefusal(67, 'TTL indexes are single-field indexes, compound indexes do not support TTL.')
  return seconds
}

/** True if this very index is there already; refused if its name or its key belongs to another. */
export function assertSameIndex(collection: Collection, spec: IndexSpec): Index | undefined {
  const shown = (some: IndexSpec) => JSON.stringify({ ...some, name: '' }, Object.keys(some).sort()) + JSON.stringify(some.key)
  const named = collection.indexes.find((index) => index.spec.name === spec.name)
  const keyed = collection.indexes.find((index) => sameKey(index.spec, spec))
  if (named && shown(named.spec) === shown(spec)) return named
  if (named) {
    throw new MongoRefusal(86, `An existing index has the same name as the requested index. Requested: ${JSON.stringify(spec)}`)
  }
  if (keyed) throw new MongoRefusal(85, `Index already exists with a different name: ${keyed.spec.name}`)
  return undefined
}

function sameKey(one: IndexSpec, other: IndexSpec): boolean {
  const shown = ({ key, partialFilterExpression }: IndexSpec) => JSON.stringify([key, partialFilterExpression ?? null])
  return shown(one) === shown(other)
}
