import { toBson } from '../commands/reply.ts'
import type { Engine } from '../engine.ts'
import { compileFilter } from '../query/filter.ts'
import { findAll } from '../query/query.ts'
import { documentAt } from '../values/value.ts'
import type { Collection, Index } from './catalog.ts'

// As mongod: expired documents go within a minute, not at the second.
const SWEEP_MS = 60_000
// So that a sweep after a long pause does not hold up everyone's writes.
const MAX_PER_TURN = 1000

export function startTtl(engine: Engine): () => void {
  const timer = setInterval(() => {
    engine.cursors.sweep(Date.now())
    void sweepExpired(engine, Date.now()).catch((error) => console.error('embedded database: TTL sweep', error))
  }, SWEEP_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Removes what TTL indexes say has expired, and tells how many documents went. */
export async function sweepExpired(engine: Engine, now: number): Promise<number> {
  let removed = 0
  for (const collection of engine.catalog.list()) {
    for (const index of collection.indexes) {
      if (index.spec.expireAfterSeconds === undefined) continue
      for (let here = MAX_PER_TURN; here === MAX_PER_TURN; removed += here) here = await sweep(engine, { collection, index, now })
    }
  }
  return removed
}

type Sweep = { collection: Collection; index: Index; now: number }

function sweep({ storage, documents, catalog }: Engine, { collection, index, now }: Sweep): Promise<number> {
  const [field] = Object.keys(index.spec.key)
  const before = new Date(now - (index.spec.expireAfterSeconds ?? 0) * 1000)
  const expired = { ...index.spec.partialFilterExpression, [field ?? '_id']: { $lt: before } }
  const filter = compileFilter(documentAt(toBson(expired)))
  return storage.write(() => {
    const current = catalog.find(collection.namespace)
    if (!current) return 0
    const source = findAll(storage, current, { filter, sort: [], limit: MAX_PER_TURN })
    const found = []
    for (let next = source.next(); next; next = source.next()) found.push(next)
    for (const { id, document } of found) documents.remove(current, id, document)
    return found.length
  })
}
