import { randomBytes } from 'node:crypto'
import { MongoRefusal } from '../errors.ts'
import type { Source } from '../query/query.ts'
import { MAX_DOCUMENT_BYTES, type Value } from '../values/value.ts'
import { cursorReply } from './reply.ts'

type Cursor = { id: bigint; namespace: string; source: Source; next: Value | undefined; usedAt: number }

// MongoDB's: what a first batch holds unless asked, and how long an idle cursor lives.
const FIRST_BATCH = 101
const IDLE_MS = 10 * 60 * 1000

export type BatchRequest = { namespace: string; batchSize: number | undefined; isSingle: boolean }

/** The open cursors of all connections, as in MongoDB: a cursor may be continued from another connection. */
export type Cursors = ReturnType<typeof createCursors>

export function createCursors() {
  const open = new Map<bigint, Cursor>()

  function firstBatch(source: Source, { namespace, batchSize, isSingle }: BatchRequest): Buffer {
    const cursor: Cursor = { id: newId(), namespace, source, next: undefined, usedAt: Date.now() }
    const documents = take(cursor, batchSize ?? FIRST_BATCH)
    const isOpen = !isSingle && mayHaveMore(cursor, documents.length, batchSize ?? FIRST_BATCH)
    if (isOpen) open.set(cursor.id, cursor)
    source.pause()
    return cursorReply({ documents, id: isOpen ? cursor.id : 0n, namespace, isFirst: true })
  }

  function getMore(id: bigint, namespace: string, batchSize: number | undefined): Buffer {
    const cursor = open.get(id)
    if (!cursor) throw new MongoRefusal(43, `cursor id ${id} not found`)
    if (cursor.namespace !== namespace) {
      throw new MongoRefusal(
        2,
        `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${cursor.namespace}`,
      )
    }
    cursor.usedAt = Date.now()
    const wanted = batchSize || Number.POSITIVE_INFINITY
    const documents = take(cursor, wanted)
    const isOpen = mayHaveMore(cursor, documents.length, wanted)
    if (!isOpen) open.delete(id)
    cursor.source.pause()
    return cursorReply({ documents, id: isOpen ? id : 0n, namespace, isFirst: false })
  }

  return {
    firstBatch,
    getMore,
    kill: (id: bigint) => open.delete(id),
    forget(isGone: (namespace: string) => boolean) {
      for (const [id, cursor] of open) if (isGone(cursor.namespace)) open.delete(id)
    },
    sweep(now: number) {
      for (const [id, cursor] of open) if (now - cursor.usedAt > IDLE_MS) open.delete(id)
    },
  }
}

function take(cursor: Cursor, batchSize: number): Value[] {
  const documents: Value[] = []
  let bytes = 0
  while (documents.length < batchSize) {
    const document = cursor.next ?? cursor.source.next()
    cursor.next = undefined
    if (!document) break
    bytes += document.end - document.start
    if (documents.length > 0 && bytes > MAX_DOCUMENT_BYTES) {
      cursor.next = document
      break
    }
    documents.push(document)
  }
  return documents
}

/** A batch that is not full was the last, unless its bytes ended it. A full one may have been: only its limit tells. */
function mayHaveMore(cursor: Cursor, given: number, wanted: number): boolean {
  if (cursor.next) return true
  return given >= wanted && !cursor.source.isSpent()
}

function newId(): bigint {
  return BigInt.asIntN(63, randomBytes(8).readBigInt64LE()) & 0x7fffffffffffffffn || 1n
}
