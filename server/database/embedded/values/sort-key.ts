import { MongoRefusal } from '../errors.ts'
import { TYPE, type Value, valueEnd } from './value.ts'

// MongoDB's order of types (canonicalizeBSONType). Each encoded value begins with its class, so that bytes compare as MongoDB compares.
// Every class is above 0x00 and below 0xF0: 0x00 ends an object and 0xFF is past everything.
const CLASS: Record<number, number> = {
  [TYPE.minKey]: 1,
  [TYPE.undefined]: 2,
  [TYPE.null]: 5,
  [TYPE.double]: 10,
  [TYPE.int]: 10,
  [TYPE.long]: 10,
  [TYPE.decimal]: 10,
  [TYPE.string]: 15,
  [TYPE.symbol]: 15,
  [TYPE.object]: 20,
  [TYPE.array]: 25,
  [TYPE.binary]: 30,
  [TYPE.objectId]: 35,
  [TYPE.bool]: 40,
  [TYPE.date]: 45,
  [TYPE.timestamp]: 47,
  [TYPE.regex]: 50,
  [TYPE.dbPointer]: 55,
  [TYPE.code]: 60,
  [TYPE.codeWithScope]: 65,
  [TYPE.maxKey]: 127,
}
export const NUMBER_CLASS = 10
const NULL_CLASS = 5

export function classOf(type: number): number {
  return CLASS[type] as number
}

let scratch = Buffer.allocUnsafe(64 * 1024)
let length = 0

function reserve(bytes: number) {
  if (length + bytes <= scratch.length) return
  const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, length + bytes))
  scratch.copy(larger, 0, 0, length)
  scratch = larger
}

/** The value as bytes that sort as MongoDB sorts values; equal values (1, 1.0, NumberLong(1)) are equal bytes. */
export function sortKey(value: Value | undefined): Buffer {
  length = 0
  writeValue(value)
  return Buffer.from(scratch.subarray(0, length))
}

export type KeyPart = { value: Value | undefined; descending: boolean }

/** Several values as one key behind a prefix. A descending part has its bytes inverted, so that one forward scan serves mixed orders. */
export function compoundKey(prefix: Buffer, parts: KeyPart[]): Buffer {
  length = 0
  reserve(prefix.length)
  length += prefix.copy(scratch, 0)
  for (const { value, descending } of parts) {
    const start = length
    writeValue(value)
    if (descending) for (let at = start; at < length; at++) scratch[at] = ~(scratch[at] as number)
  }
  return Buffer.from(scratch.subarray(0, length))
}

/** A missing value sorts, and is indexed, as null. */
function writeValue(value: Value | undefined) {
  if (!value) return writeByte(NULL_CLASS)
  writeByte(classOf(value.type))
  writeBody(value)
}

function writeBody({ type, buffer, start, end }: Value) {
  switch (type) {
    case TYPE.int:
      return writeDouble(buffer.readInt32LE(start), 0)
    case TYPE.double:
      return writeDouble(buffer.readDoubleLE(start), 0)
    case TYPE.long:
      return writeLong(buffer.readBigInt64LE(start))
    case TYPE.string:
    case TYPE.symbol:
    case TYPE.code:
      return writeEscaped(buffer, start + 4, end - 1)
    case TYPE.object:
    case TYPE.array:
      return writeFields(buffer, start, end)
    case TYPE.binary:
      return writeBinary(buffer, start, end)
    case TYPE.date:
      return writeSigned(buffer.readBigInt64LE(start))
    case TYPE.timestamp:
      reserve(8)
      length = scratch.writeBigUInt64BE(buffer.readBigUInt64LE(start), length)
      return
    case TYPE.decimal:
      throw new MongoRefusal(2, 'the embedded database stores Decimal128 but cannot compare, sort or index it')
    default:
      return writeBytes(buffer, start, end)
  }
}

/** Ordered double, then what a long has beyond it (0 for all others), so that longs past 2^53 keep their exact order. */
function writeDouble(number: number, beyond: number) {
  reserve(10)
  const at = length
  if (Number.isNaN(number)) {
    scratch.fill(0, at, at + 10)
    length += 10
    return
  }
  scratch.writeDoubleBE(number === 0 ? 0 : number, at)
  if ((scratch[at] as number) & 0x80) for (let byte = at; byte < at + 8; byte++) scratch[byte] = ~(scratch[byte] as number)
  else scratch[at] = (scratch[at] as number) | 0x80
  scratch.writeUInt16BE(beyond, at + 8)
  length += 10
}

function writeLong(long: bigint) {
  const near = Number(long)
  const beyond = long - BigInt(near)
  if (beyond >= 0n) return writeDouble(near, Number(beyond))
  const below = nextBelow(near)
  writeDouble(below, Number(long - BigInt(below)))
}

const cell = new DataView(new ArrayBuffer(8))
function nextBelow(number: number): number {
  cell.setFloat64(0, number)
  const bits = cell.getBigInt64(0)
  cell.setBigInt64(0, number > 0 ? bits - 1n : bits + 1n)
  return cell.getFloat64(0)
}

function writeSigned(number: bigint) {
  reserve(8)
  length = scratch.writeBigUInt64BE(BigInt.asUintN(64, number) ^ 0x8000000000000000n, length)
}

/** 0x00 inside is written 0x00 0xFF, the end is 0x00: what follows begins below 0xFF, so no string runs into the next part. */
function writeEscaped(buffer: Buffer, start: number, end: number) {
  reserve((end - start) * 2 + 1)
  for (let at = start; at < end; at++) {
    const byte = buffer[at] as number
    scratch[length++] = byte
    if (byte === 0) scratch[length++] = 0xff
  }
  scratch[length++] = 0
}

function writeFields(buffer: Buffer, start: number, end: number) {
  let at = start + 4
  while (at < end - 1) {
    const type = buffer[at] as number
    const nameEnd = buffer.indexOf(0, at + 1)
    const valueStart = nameEnd + 1
    const next = valueEnd(type, buffer, valueStart)
    writeByte(classOf(type))
    writeBytes(buffer, at + 1, valueStart)
    writeBody({ type, buffer, start: valueStart, end: next })
    at = next
  }
  writeByte(0)
}

function writeBinary(buffer: Buffer, start: number, end: number) {
  reserve(4)
  length = scratch.writeUInt32BE(buffer.readInt32LE(start), length)
  writeBytes(buffer, start + 4, end)
}

function writeBytes(buffer: Buffer, start: number, end: number) {
  reserve(end - start)
  length += buffer.copy(scratch, length, start, end)
}

function writeByte(byte: number) {
  reserve(1)
  scratch[length++] = byte
}
