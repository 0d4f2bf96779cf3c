import { deserialize, EJSON } from 'bson'
import { MongoRefusal } from '../errors.ts'
import { parsePath, someAtPath } from '../values/paths.ts'
import { bytesOf, type Value } from '../values/value.ts'
import type { Collection, Index } from './catalog.ts'

/** MongoDB's 11000, with the sentence that tools parse, and `keyPattern` and `keyValue` for those that do not. */
export function duplicateKey(collection: Collection, index: Index | undefined, document: Value): MongoRefusal {
  const keyPattern = index?.spec.key ?? { _id: 1 }
  const keyValue: Record<string, unknown> = {}
  for (const path of Object.keys(keyPattern)) keyValue[path] = valueAt(document, path)
  const shown = Object.entries(keyValue).map(([path, value]) => `${path}: ${show(value)}`)
  const name = index?.spec.name ?? '_id_'
  const message = `E11000 duplicate key error collection: ${collection.namespace} index: ${name} dup key: { ${shown.join(', ')} }`
  return new MongoRefusal(11000, message, { keyPattern, keyValue })
}

function valueAt(document: Value, name: string): unknown {
  let found: Value | undefined
  someAtPath(document, parsePath(name), false, (value) => {
    found = value
    return value !== undefined
  })
  return found ? decode(found) : null
}

export function decode(value: Value): unknown {
  const size = value.end - value.start
  const buffer = Buffer.alloc(size + 8)
  buffer.writeInt32LE(buffer.length, 0)
  buffer[4] = value.type
  buffer[5] = 0x76
  bytesOf(value).copy(buffer, 7)
  return deserialize(buffer)['v']
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value && typeof value === 'object' && '_bsontype' in value && value._bsontype === 'ObjectId') return `ObjectId('${String(value)}')`
  if (value instanceof Date) return `new Date(${value.getTime()})`
  return EJSON.stringify(value) ?? 'null'
}
