import { deserialize, serialize } from 'bson'
import { compileFilter, type Filter } from '../query/filter.ts'
import { type KeySpec, parsePath } from '../values/paths.ts'
import { documentAt } from '../values/value.ts'
import type { Storage } from './storage.ts'

/** An index as `listIndexes` shows it. `key` keeps its order: field to 1 or -1. */
export type IndexSpec = {
  v: 2
  key: Record<string, 1 | -1>
  name: string
  unique?: true
  sparse?: true
  partialFilterExpression?: Record<string, unknown>
  expireAfterSeconds?: number
}

export type Index = {
  spec: IndexSpec
  table: Buffer
  fields: KeySpec
  isUnique: boolean
  isSparse: boolean
  partial: Filter | undefined
  /** Some document has had an array here: an entry then says only "maybe", and the document is asked. Never taken back. */
  isMultikey: boolean
  /** The fields in which it had one. Undefined in an index from before this was kept: then it may have been any. */
  arrays: ReadonlySet<string> | undefined
}

export type Collection = {
  database: string
  name: string
  namespace: string
  table: Buffer
  options: Record<string, unknown>
  indexes: Index[]
}

type StoredIndex = { table: number; isMultikey: boolean; arrays?: string[]; spec: IndexSpec }
type StoredCollection = { database: string; name: string; table: number; options: Record<string, unknown>; indexes: StoredIndex[] }

const CATALOG = Buffer.from([0, 0, 0, 0])
const CATALOG_END = Buffer.from([0, 0, 0, 1])
const NEXT_TABLE = Buffer.from([0, 0, 0, 0, 0])

/** What collections and indexes there are. Held in memory, since this process is the only owner; each change is in its transaction. */
export type Catalog = ReturnType<typeof createCatalog>

export function createCatalog(storage: Storage) {
  let collections = new Map<string, Collection>()
  load()
  storage.onAbort(load)

  function load() {
    collections = new Map()
    let start: Buffer = CATALOG
    for (;;) {
      const { entries, isEnd } = storage.range({ start, end: CATALOG_END, reverse: false, limit: 1000, exclusiveStart: true })
      for (const { key, value } of entries) {
        start = key
        if (key.equals(NEXT_TABLE)) continue
        const collection = reviveOrRefuse(value)
        collections.set(collection.namespace, collection)
      }
      if (isEnd) return
    }
  }

  function nextTable(): Buffer {
    const last = storage.get(NEXT_TABLE)?.readUInt32BE(0) ?? 0
    const next = Buffer.alloc(4)
    next.writeUInt32BE(last + 1)
    storage.put(NEXT_TABLE, next)
    return next
  }

  function save(collection: Collection) {
    const stored: StoredCollection = {
      database: collection.database,
      name: collection.name,
      table: collection.table.readUInt32BE(0),
      options: collection.options,
      indexes: collection.indexes.map(({ table, isMultikey, arrays, spec }) => ({
        ...{ table: table.readUInt32BE(0), isMultikey, spec },
        ...(arrays === undefined ? {} : { arrays: [...arrays] }),
      })),
    }
    storage.put(catalogKey(collection.namespace), Buffer.from(serialize(stored)))
  }

  return {
    find: (namespace: string) => collections.get(namespace),
    list: () => [...collections.values()],
    save,

    create(database: string, name: string, options: Record<string, unknown> = {}): Collection {
      const table = nextTable()
      const namespace = `${database}.${name}`
      const collection: Collection = { database, name, namespace, table, options, indexes: [] }
      collections.set(namespace, collection)
      save(collection)
      return collection
    },

    addIndex(collection: Collection, spec: IndexSpec): Index {
      const index = reviveIndex({ spec, table: nextTable().readUInt32BE(0), isMultikey: false, arrays: [] })
      collection.indexes.push(index)
      save(collection)
      return index
    },

    remove(collection: Collection) {
      collections.delete(collection.namespace)
      storage.remove(catalogKey(collection.namespace))
    },
  }
}

function catalogKey(namespace: string): Buffer {
  return Buffer.concat([CATALOG, Buffer.from(`c${namespace}`)])
}

/** A catalog that is damaged must be named so, for nothing behind it can be found. */
function reviveOrRefuse(value: Buffer): Collection {
  try {
    // The cast holds for what `save` wrote, and what it did not write does not come through.
    return revive(deserialize(value) as StoredCollection)
  } catch (cause) {
    throw new Error(`its catalog is corrupt: ${String((cause as Error).message)}`, { cause })
  }
}

function revive(stored: StoredCollection): Collection {
  const { database, name, options } = stored
  const namespace = `${database}.${name}`
  return { database, name, namespace, options, table: tableBytes(stored.table), indexes: stored.indexes.map(reviveIndex) }
}

function reviveIndex({ spec, table, isMultikey, arrays }: StoredIndex): Index {
  const fields = Object.entries(spec.key).map(([path, direction]) => ({ path: parsePath(path), descending: direction === -1 }))
  const filter = spec.partialFilterExpression
  return {
    spec,
    table: tableBytes(table),
    fields,
    isUnique: spec.unique === true,
    isSparse: spec.sparse === true,
    partial: filter && compileFilter(documentAt(Buffer.from(serialize(filter)))),
    isMultikey,
    arrays: arrays === undefined && isMultikey ? undefined : new Set(arrays),
  }
}

function tableBytes(table: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(table)
  return bytes
}

export function tableEnd(table: Buffer): Buffer {
  return tableBytes(table.readUInt32BE(0) + 1)
}
