import { serialize } from 'bson'
import type { MongoRefusal } from '../errors.ts'
import { TYPE, type Value } from '../values/value.ts'

export function okReply(fields: Record<string, unknown> = {}): Buffer {
  return toBson({ ...fields, ok: 1.0 })
}

export function errorReply(error: MongoRefusal): Buffer {
  return toBson({ ok: 0.0, errmsg: error.message, code: error.code, codeName: error.codeName, ...error.extra })
}

export function toBson(document: Record<string, unknown>): Buffer {
  return Buffer.from(serialize(document, { ignoreUndefined: true }))
}

export type Batch = { documents: Value[]; id: bigint; namespace: string; isFirst: boolean }

const END = 0

/** A cursor's reply with the documents' bytes copied as they lie in the store: nothing is decoded and encoded again. */
export function cursorReply({ documents, id, namespace, isFirst }: Batch): Buffer {
  const batchName = isFirst ? 'firstBatch' : 'nextBatch'
  const namespaceBytes = Buffer.byteLength(namespace)
  let arraySize = 5
  for (let at = 0; at < documents.length; at++) {
    const { start, end } = documents[at] as Value
    arraySize += 2 + digitsOf(at) + end - start
  }
  const cursorSize = 4 + 2 + batchName.length + arraySize + 4 + 8 + 4 + 4 + namespaceBytes + 1 + 1
  const total = 4 + 8 + cursorSize + 4 + 8 + 1
  const out = Buffer.allocUnsafe(total)
  let at = out.writeInt32LE(total, 0)
  at = writeName(out, at, { type: TYPE.object, name: 'cursor' })
  at = out.writeInt32LE(cursorSize, at)
  at = writeName(out, at, { type: TYPE.array, name: batchName })
  at = writeArray(out, at, { documents, arraySize })
  at = writeName(out, at, { type: TYPE.long, name: 'id' })
  at = out.writeBigInt64LE(id, at)
  at = writeName(out, at, { type: TYPE.string, name: 'ns' })
  at = out.writeInt32LE(namespaceBytes + 1, at)
  at += out.write(namespace, at)
  out[at++] = END
  out[at++] = END
  at = writeName(out, at, { type: TYPE.double, name: 'ok' })
  at = out.writeDoubleLE(1, at)
  out[at] = END
  return out
}

function writeArray(out: Buffer, start: number, { documents, arraySize }: { documents: Value[]; arraySize: number }): number {
  let at = out.writeInt32LE(arraySize, start)
  for (let nth = 0; nth < documents.length; nth++) {
    const document = documents[nth] as Value
    at = writeName(out, at, { type: TYPE.object, name: String(nth) })
    at += document.buffer.copy(out, at, document.start, document.end)
  }
  out[at++] = END
  return at
}

function writeName(out: Buffer, start: number, { type, name }: { type: number; name: string }): number {
  let at = start
  out[at++] = type
  at += out.write(name, at, 'latin1')
  out[at++] = END
  return at
}

function digitsOf(number: number): number {
  if (number < 10) return 1
  if (number < 100) return 2
  if (number < 1000) return 3
  return String(number).length
}
