import { collectionName } from '../commands/arguments.ts'
import type { Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import type { Hint } from '../query/planner.ts'
import { findAll } from '../query/query.ts'
import type { Found } from '../query/scan.ts'
import type { Collection } from '../storage/catalog.ts'
import { idKeyOf, withIdFirst } from '../storage/documents.ts'
import type { KeySpec } from '../values/paths.ts'
import { bytesOf, fieldOf, type Value } from '../values/value.ts'
import type { Command } from '../wire/wire.ts'
import { seedOf, type Update } from './update.ts'

export type UpdateRequest = {
  query: Value
  update: Update
  isMulti: boolean
  isUpsert: boolean
  hint?: Hint | undefined
  sort?: KeySpec
  now: number
}
export type UpdateOutcome = { n: number; nModified: number; upsertedId?: Value; before?: Value; after?: Value }

const ID = Buffer.from('_id')

/** The collection a command writes to, made on its first write as MongoDB does. Only inside a storage job. */
export function collectionFor({ catalog }: Engine, command: Command): Collection {
  const name = collectionName(command)
  return catalog.find(`${command.database}.${name}`) ?? catalog.create(command.database, name)
}

/** Finds first and changes after, so that a document moved by its own change is not met again. Only inside a storage job. */
export function updateMatching(engine: Engine, command: Command, request: UpdateRequest): UpdateOutcome {
  const { update, query, isMulti } = request
  if (isMulti && update.isReplacement) throw new MongoRefusal(9, 'multi update is not supported for replacement-style update')
  const filter = compileFilter(query)
  const collection = engine.catalog.find(`${command.database}.${collectionName(command)}`)
  const found = collection ? collect(engine, collection, { filter, request }) : []
  if (collection && found.length > 0) return changeAll(engine, collection, { found, request })
  if (!request.isUpsert) return { n: 0, nModified: 0 }
  return upsert(engine, collectionFor(engine, command), request)
}

type Wanted = { filter: ReturnType<typeof compileFilter>; request: UpdateRequest }

function collect({ storage }: Engine, collection: Collection, { filter, request }: Wanted): Found[] {
  const limit = request.isMulti ? 0 : 1
  const source = findAll(storage, collection, { filter, sort: request.sort ?? [], limit, hint: request.hint })
  const found: Found[] = []
  for (let next = source.next(); next; next = source.next()) found.push(next)
  return found
}

function changeAll(
  { documents }: Engine,
  collection: Collection,
  { found, request }: { found: Found[]; request: UpdateRequest },
): UpdateOutcome {
  let nModified = 0
  let last: { before: Value; after: Value } | undefined
  for (const { id, document: before } of found) {
    const after = request.update.apply(before, { isInsert: false, now: request.now })
    documents.replace(collection, id, { before, after })
    if (!bytesOf(before).equals(bytesOf(after))) nModified++
    last = { before, after }
  }
  return { n: found.length, nModified, ...last }
}

function upsert({ documents }: Engine, collection: Collection, { query, update, now }: UpdateRequest): UpdateOutcome {
  const seeded = seedOf(query, update.isReplacement)
  const made = update.apply(seeded, { isInsert: true, now })
  const wanted = fieldOf(seeded, ID)
  const given = fieldOf(made, ID)
  if (wanted && given && !idKeyOf(seeded).equals(idKeyOf(made))) {
    throw new MongoRefusal(66, "Performing an update on the path '_id' would modify the immutable field '_id'")
  }
  const after = withIdFirst(made)
  documents.insert(collection, after)
  const upsertedId = fieldOf(after, ID)
  return { n: 1, nModified: 0, after, ...(upsertedId && { upsertedId }) }
}
