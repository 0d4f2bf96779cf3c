import { type Cursors, createCursors } from './commands/cursors.ts'
import { type Catalog, createCatalog } from './storage/catalog.ts'
import { createDocuments, type Documents } from './storage/documents.ts'
import type { Storage } from './storage/storage.ts'

/** Everything a command works with. One per data directory. */
export type Engine = { storage: Storage; catalog: Catalog; documents: Documents; cursors: Cursors; startedAt: number }

export function createEngine(storage: Storage): Engine {
  const catalog = createCatalog(storage)
  return { storage, catalog, documents: createDocuments(storage, catalog), cursors: createCursors(), startedAt: Date.now() }
}
