import { ObjectId } from 'bson'
import { MongoRefusal } from '../errors.ts'
import { documentKeys } from '../values/paths.ts'
import { sortKey } from '../values/sort-key.ts'
import { bytesOf, documentAt, fieldOf, MAX_DOCUMENT_BYTES, TYPE, type Value } from '../values/value.ts'
import type { Catalog, Collection, Index } from './catalog.ts'
import { duplicateKey } from './duplicate-key.ts'
import { MAX_KEY_BYTES, type Storage } from './storage.ts'

const ID = Buffer.from('_id')
const NONE: ReadonlySet<string> = new Set()

/**
 * Writes documents together with their index entries. Every check is made before the first byte is put, so a refused document has
 * changed nothing and its neighbours in the same transaction stand.
 */
export type Documents = ReturnType<typeof createDocuments>

export function createDocuments(storage: Storage, catalog: Catalog) {
  function insert(collection: Collection, given: Value): void {
    const document = withIdFirst(given)
    if (document.end - document.start > MAX_DOCUMENT_BYTES) throw tooLarge(document.end - document.start)
    const id = idKeyOf(document)
    const key = Buffer.concat([collection.table, id])
    assertKeyLength(key)
    if (storage.has(key)) throw duplicateKey(collection, undefined, document)
    const entries = collection.indexes.map((index) => ({ index, ...keysIn(index, document, id) }))
    for (const { index, keys } of entries)
      if (index.isUnique) for (const entry of keys) assertFree({ collection, index, entry, id, document })
    storage.put(key, bytesOf(document))
    for (const { index, keys, arrays } of entries) {
      markArrays(collection, index, arrays)
      for (const entry of keys) storage.put(entry, id)
    }
  }

  function replace(collection: Collection, id: Buffer, change: { before: Value; after: Value }): void {
    const { before, after } = change
    const size = after.end - after.start
    if (size > MAX_DOCUMENT_BYTES) throw tooLarge(size)
    const changes = collection.indexes.map((index) => indexChange(index, id, change))
    for (const { index, added } of changes) {
      if (index.isUnique) for (const entry of added) assertFree({ collection, index, entry, id, document: after })
    }
    if (before.end - before.start === size && bytesOf(before).equals(bytesOf(after))) return
    storage.put(Buffer.concat([collection.table, id]), bytesOf(after))
    for (const { index, added, removed, arrays } of changes) {
      markArrays(collection, index, arrays)
      for (const entry of removed) storage.remove(entry)
      for (const entry of added) storage.put(entry, id)
    }
  }

  function remove(collection: Collection, id: Buffer, document: Value): void {
    for (const index of collection.indexes) for (const entry of keysIn(index, document, id).keys) storage.remove(entry)
    storage.remove(Buffer.concat([collection.table, id]))
  }

  /** Adds one document to an index that is being built. */
  function addToIndex(collection: Collection, index: Index, document: Value): void {
    const id = idKeyOf(document)
    const { keys, arrays } = keysIn(index, document, id)
    if (index.isUnique) for (const entry of keys) assertFree({ collection, index, entry, id, document })
    markArrays(collection, index, arrays)
    for (const entry of keys) storage.put(entry, id)
  }

  function assertFree(claim: { collection: Collection; index: Index; entry: Buffer; id: Buffer; document: Value }) {
    const owner = storage.get(claim.entry)
    if (owner && !owner.equals(claim.id)) throw duplicateKey(claim.collection, claim.index, claim.document)
  }

  function markArrays(collection: Collection, index: Index, arrays: ReadonlySet<string>) {
    if ([...arrays].every((path) => index.isMultikey && (index.arrays?.has(path) ?? true))) return
    index.arrays = index.arrays && new Set([...index.arrays, ...arrays])
    index.isMultikey = true
    catalog.save(collection)
  }

  return {
    insert,
    replace,
    remove,
    addToIndex,
    get(collection: Collection, id: Buffer): Value | undefined {
      const bytes = storage.get(Buffer.concat([collection.table, id]))
      return bytes && documentAt(bytes)
    },
  }
}

function indexChange(index: Index, id: Buffer, change: { before: Value; after: Value }) {
  const before = keysIn(index, change.before, id)
  const after = keysIn(index, change.after, id)
  const added = after.keys.filter((key) => !before.keys.some((other) => other.equals(key)))
  const removed = before.keys.filter((key) => !after.keys.some((other) => other.equals(key)))
  return { index, added, removed, arrays: after.arrays }
}

/** A unique entry is its key alone and holds the document's id; another carries the id behind the key. */
function keysIn(index: Index, document: Value, id: Buffer): { keys: Buffer[]; arrays: ReadonlySet<string> } {
  if (index.partial && !index.partial.test(document)) return { keys: [], arrays: NONE }
  const { keys, arrays, isAllMissing } = documentKeys(document, index.fields, index.table)
  if (index.isSparse && isAllMissing) return { keys: [], arrays: NONE }
  const entries = index.isUnique ? keys : keys.map((key) => Buffer.concat([key, id]))
  for (const entry of entries) assertKeyLength(entry)
  return { keys: entries, arrays }
}

export function idKeyOf(document: Value): Buffer {
  const id = fieldOf(document, ID)
  return sortKey(id)
}

function assertKeyLength(key: Buffer) {
  if (key.length <= MAX_KEY_BYTES) return
  throw new MongoRefusal(17280, `an index key of ${key.length} bytes is longer than the embedded database takes (${MAX_KEY_BYTES})`)
}

export function tooLarge(size: number) {
  return new MongoRefusal(
    10334,
    `BSONObj size: ${size} (0x${size.toString(16)}) is invalid. Size must be between 0 and ${MAX_DOCUMENT_BYTES}(16MB)`,
  )
}

const ID_FIRST = Buffer.concat([Buffer.from([TYPE.objectId]), ID, Buffer.from([0])])

/** As MongoDB: a document without `_id` gets an ObjectId, and `_id` moves to the front. */
export function withIdFirst(document: Value): Value {
  const id = fieldOf(document, ID)
  if (id) assertIdType(id)
  const { buffer, start, end } = document
  const isFirst = id && id.start === start + 4 + ID_FIRST.length
  if (isFirst) return document
  const body = id ? Buffer.concat([buffer.subarray(id.start - ID_FIRST.length, id.end), without(document, id)]) : fresh(document)
  const size = Buffer.alloc(4)
  size.writeInt32LE(body.length + 5)
  const bytes = Buffer.concat([size, body, buffer.subarray(end - 1, end)])
  return documentAt(bytes)
}

function without({ buffer, start, end }: Value, field: Value): Buffer {
  return Buffer.concat([buffer.subarray(start + 4, field.start - ID_FIRST.length), buffer.subarray(field.end, end - 1)])
}

function fresh({ buffer, start, end }: Value): Buffer {
  return Buffer.concat([ID_FIRST, new ObjectId().id, buffer.subarray(start + 4, end - 1)])
}

const BAD_ID_TYPES: Record<number, string> = { [TYPE.array]: 'array', [TYPE.regex]: 'regex', [TYPE.undefined]: 'undefined' }

export function assertIdType(id: Value) {
  const name = BAD_ID_TYPES[id.type]
  if (name) throw new MongoRefusal(53, `The '_id' value cannot be of type ${name}`)
}
