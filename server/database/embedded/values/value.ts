import { MongoRefusal } from '../errors.ts'

/** One BSON value where it lies: nothing is decoded until a filter, an index or an update needs it. */
export type Value = { type: number; buffer: Buffer; start: number; end: number }

export const TYPE = {
  double: 1,
  string: 2,
  object: 3,
  array: 4,
  binary: 5,
  undefined: 6,
  objectId: 7,
  bool: 8,
  date: 9,
  null: 10,
  regex: 11,
  dbPointer: 12,
  code: 13,
  symbol: 14,
  codeWithScope: 15,
  int: 16,
  timestamp: 17,
  long: 18,
  decimal: 19,
  maxKey: 127,
  minKey: 255,
} as const

export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
// MongoDB documents 100 levels. Every recursion here is bounded by it, so no document can exhaust the stack.
export const MAX_DEPTH = 100

const FIXED_SIZE: Record<number, number> = {
  [TYPE.double]: 8,
  [TYPE.undefined]: 0,
  [TYPE.objectId]: 12,
  [TYPE.bool]: 1,
  [TYPE.date]: 8,
  [TYPE.null]: 0,
  [TYPE.int]: 4,
  [TYPE.timestamp]: 8,
  [TYPE.long]: 8,
  [TYPE.decimal]: 16,
  [TYPE.maxKey]: 0,
  [TYPE.minKey]: 0,
}

export function documentAt(buffer: Buffer, start = 0): Value {
  return { type: TYPE.object, buffer, start, end: start + buffer.readInt32LE(start) }
}

export function bytesOf(value: Value): Buffer {
  return value.buffer.subarray(value.start, value.end)
}

/** Where the value of this type that starts here ends. */
export function valueEnd(type: number, buffer: Buffer, start: number): number {
  const fixed = FIXED_SIZE[type]
  if (fixed !== undefined) return start + fixed
  switch (type) {
    case TYPE.string:
    case TYPE.code:
    case TYPE.symbol:
      return start + 4 + buffer.readInt32LE(start)
    case TYPE.object:
    case TYPE.array:
    case TYPE.codeWithScope:
      return start + buffer.readInt32LE(start)
    case TYPE.binary:
      return start + 5 + buffer.readInt32LE(start)
    case TYPE.regex:
      return buffer.indexOf(0, buffer.indexOf(0, start) + 1) + 1
    case TYPE.dbPointer:
      return start + 4 + buffer.readInt32LE(start) + 12
    default:
      throw new MongoRefusal(22, `unknown BSON type ${type}`)
  }
}

export type Field = { name: string; value: Value }

/** The fields of an object or the elements of an array, in their order. */
export function fieldsOf(value: Value): Field[] {
  const fields: Field[] = []
  const { buffer } = value
  let at = value.start + 4
  while (at < value.end - 1) {
    const type = buffer[at] as number
    const nameEnd = buffer.indexOf(0, at + 1)
    const start = nameEnd + 1
    const end = valueEnd(type, buffer, start)
    fields.push({ name: buffer.toString('utf8', at + 1, nameEnd), value: { type, buffer, start, end } })
    at = end
  }
  return fields
}

export function elementsOf(value: Value): Value[] {
  const elements: Value[] = []
  const { buffer } = value
  let at = value.start + 4
  while (at < value.end - 1) {
    const type = buffer[at] as number
    let start = at + 1
    while (buffer[start] !== 0) start++
    start++
    const end = valueEnd(type, buffer, start)
    elements.push({ type, buffer, start, end })
    at = end
  }
  return elements
}

/** One field of an object by its name's bytes, without touching the others. */
export function fieldOf(value: Value, name: Buffer): Value | undefined {
  const { buffer } = value
  const last = value.end - 1
  const length = name.length
  let at = value.start + 4
  while (at < last) {
    const type = buffer[at] as number
    let cursor = at + 1
    let same = 0
    while (same < length && buffer[cursor] === name[same]) {
      cursor++
      same++
    }
    const isMatch = same === length && buffer[cursor] === 0
    while (buffer[cursor] !== 0) cursor++
    const start = cursor + 1
    const end = valueEnd(type, buffer, start)
    if (isMatch) return { type, buffer, start, end }
    at = end
  }
  return undefined
}

export function stringOf(value: Value): string {
  return value.buffer.toString('utf8', value.start + 4, value.end - 1)
}

export function isNumber(type: number): boolean {
  return type === TYPE.int || type === TYPE.double || type === TYPE.long || type === TYPE.decimal
}

/** The number as a double, or undefined if it is none. A long past 2^53 is rounded: exact work goes through `bigintOf`. */
export function numberOf(value: Value | undefined): number | undefined {
  if (!value) return undefined
  if (value.type === TYPE.int) return value.buffer.readInt32LE(value.start)
  if (value.type === TYPE.double) return value.buffer.readDoubleLE(value.start)
  if (value.type === TYPE.long) return Number(value.buffer.readBigInt64LE(value.start))
  return undefined
}

export function isTruthy(value: Value | undefined): boolean {
  if (!value || value.type === TYPE.null || value.type === TYPE.undefined) return false
  if (value.type === TYPE.bool) return value.buffer[value.start] === 1
  return numberOf(value) !== 0
}
