import { MongoRefusal } from '../errors.ts'
import type { Hint } from '../query/planner.ts'
import { decode } from '../storage/duplicate-key.ts'
import { type KeySpec, parsePath } from '../values/paths.ts'
import { bytesOf, elementsOf, fieldsOf, isTruthy, numberOf, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Command } from '../wire/wire.ts'

type Fields = Map<string, Value>

export function collectionName({ fields, name }: Command): string {
  const value = fields.get(name)
  if (value?.type !== TYPE.string) throw new MongoRefusal(73, `collection name has invalid type for command ${name}`)
  const collection = stringOf(value)
  if (collection === '' || collection.includes('\0') || collection.startsWith('.') || collection.includes('$')) {
    throw new MongoRefusal(73, `Invalid collection name: '${collection}'`)
  }
  return collection
}

export function namespaceOf(command: Command): string {
  return `${command.database}.${collectionName(command)}`
}

export function optionalDocument(fields: Fields, name: string): Value | undefined {
  const value = fields.get(name)
  if (!value || value.type === TYPE.null) return undefined
  if (value.type !== TYPE.object) throw new MongoRefusal(14, `BSON field '${name}' is the wrong type, expected type 'object'`)
  return value
}

export function requiredDocument(fields: Fields, name: string): Value {
  const value = optionalDocument(fields, name)
  if (!value) throw new MongoRefusal(40414, `BSON field '${name}' is missing but a required field`)
  return value
}

export function optionalWhole(fields: Fields, name: string): number | undefined {
  const value = fields.get(name)
  if (!value || value.type === TYPE.null) return undefined
  const number = numberOf(value)
  if (number === undefined) throw new MongoRefusal(14, `BSON field '${name}' is the wrong type, expected a number`)
  if (number < 0) throw new MongoRefusal(Location51024, `BSON field '${name}' value must be >= 0, actual value '${number}'`)
  return Math.trunc(number)
}
const Location51024 = 51024

export function isOn(fields: Fields, name: string): boolean {
  return isTruthy(fields.get(name))
}

/** A list that came in the body or as a kind-1 section. */
export function documentList({ fields, lists }: Command, name: string): Value[] {
  const list = lists.get(name)
  if (list) return list
  const value = fields.get(name)
  if (value?.type !== TYPE.array) throw new MongoRefusal(40414, `BSON field '${name}' is missing but a required field`)
  const elements = elementsOf(value)
  for (const element of elements) {
    if (element.type !== TYPE.object) throw new MongoRefusal(14, `BSON field '${name}' has an element of the wrong type, expected 'object'`)
  }
  return elements
}

export function sortOf(value: Value | undefined): KeySpec {
  if (!value) return []
  return fieldsOf(value).map(({ name, value: direction }) => {
    const number = numberOf(direction)
    if (number !== 1 && number !== -1) {
      throw new MongoRefusal(
        2,
        `$sort key ordering must be 1 (for ascending) or -1 (for descending), and the embedded database has no $meta: ${name}`,
      )
    }
    if (name === '$natural') throw new MongoRefusal(2, 'the embedded database does not offer a $natural sort')
    return { path: parsePath(name), descending: number === -1 }
  })
}

export function hintOf(fields: Fields): Hint | undefined {
  const value = fields.get('hint')
  if (!value || (value.type === TYPE.object && fieldsOf(value).length === 0)) return undefined
  const hint = decode(value)
  if (typeof hint === 'string' || (hint !== null && typeof hint === 'object')) return hint as Hint
  throw new MongoRefusal(9, 'Hint must be a string or an object')
}

export function fieldMap(document: Value): Fields {
  return new Map(fieldsOf(document).map((field) => [field.name, field.value]))
}

/** Options that change what an answer means are refused by name; those that only tune it are let through. */
export function assertKnown(fields: Fields, known: Set<string>, place: string) {
  for (const [name, value] of fields) {
    if (known.has(name)) continue
    if (REFUSED_WHEN_ON.has(name) && !isTruthy(value)) continue
    if (name === 'collation' && isSimple(value)) continue
    if ((name === 'let' || name === 'arrayFilters') && isEmpty(value)) continue
    const isMongo = KNOWN_TO_MONGODB.has(name)
    const message = isMongo
      ? `the embedded database does not offer '${place}.${name}'`
      : `BSON field '${place}.${name}' is an unknown field.`
    throw new MongoRefusal(isMongo ? 115 : 40415, message)
  }
}

const REFUSED_WHEN_ON = new Set(['tailable', 'awaitData', 'showRecordId', 'returnKey', 'capped', 'exhaust', 'hidden'])
const KNOWN_TO_MONGODB = new Set([...REFUSED_WHEN_ON, 'collation', 'let', 'arrayFilters', 'min', 'max', 'c', 'sampleRate', 'mapReduce'])

function isSimple(collation: Value): boolean {
  return collation.type === TYPE.object && fieldsOf(collation).every(({ name, value }) => name === 'locale' && stringOf(value) === 'simple')
}

function isEmpty(value: Value): boolean {
  return bytesOf(value).length === 5
}
