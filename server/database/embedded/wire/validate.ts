import { MongoRefusal } from '../errors.ts'
import { MAX_DEPTH, TYPE, valueEnd } from '../values/value.ts'

/** Checks every length and terminator once, at the edge, so that nothing inside needs to. Resolves to the document's end. */
export function validateDocument(buffer: Buffer, start: number, limit: number, depth = 0): number {
  if (depth > MAX_DEPTH) throw new MongoRefusal(15, `cannot nest documents deeper than ${MAX_DEPTH} levels`)
  if (start + 5 > limit) throw broken()
  const end = start + buffer.readInt32LE(start)
  if (end < start + 5 || end > limit || buffer[end - 1] !== 0) throw broken()
  let at = start + 4
  while (at < end - 1) {
    const type = buffer[at] as number
    const nameEnd = buffer.indexOf(0, at + 1)
    if (nameEnd < 0 || nameEnd >= end - 1) throw broken()
    at = validateValue(type, buffer, { start: nameEnd + 1, limit: end - 1, depth })
  }
  if (at !== end - 1) throw broken()
  return end
}

function validateValue(type: number, buffer: Buffer, place: { start: number; limit: number; depth: number }): number {
  const { start, limit, depth } = place
  switch (type) {
    case TYPE.object:
    case TYPE.array:
      return validateDocument(buffer, start, limit, depth + 1)
    case TYPE.string:
    case TYPE.code:
    case TYPE.symbol:
      return validateString(buffer, start, limit)
    case TYPE.binary:
      if (start + 5 > limit || buffer.readInt32LE(start) < 0) throw broken()
      break
    case TYPE.codeWithScope: {
      if (start + 14 > limit) throw broken()
      const end = start + buffer.readInt32LE(start)
      if (end > limit) throw broken()
      const scope = validateString(buffer, start + 4, end)
      if (validateDocument(buffer, scope, end, depth + 1) !== end) throw broken()
      return end
    }
    case TYPE.dbPointer:
      if (validateString(buffer, start, limit) + 12 > limit) throw broken()
      break
    case TYPE.regex: {
      const pattern = buffer.indexOf(0, start)
      const options = pattern < 0 ? -1 : buffer.indexOf(0, pattern + 1)
      if (options < 0 || options >= limit) throw broken()
      return options + 1
    }
  }
  const end = valueEnd(type, buffer, start)
  if (end > limit) throw broken()
  return end
}

function validateString(buffer: Buffer, start: number, limit: number): number {
  if (start + 5 > limit) throw broken()
  const length = buffer.readInt32LE(start)
  const end = start + 4 + length
  if (length < 1 || end > limit || buffer[end - 1] !== 0) throw broken()
  return end
}

function broken() {
  return new MongoRefusal(22, 'the message is not well-formed BSON')
}
