import { MongoRefusal } from '../errors.ts'
import { documentAt, type Field, fieldsOf, stringOf, TYPE, type Value } from '../values/value.ts'
import { validateDocument } from './validate.ts'

/** One request as it came: the command's fields, with kind-1 sections among them as lists. */
export type Command = { name: string; database: string; fields: Map<string, Value>; lists: Map<string, Value[]> }
export type Request = { id: number; isLegacy: boolean; expectsReply: boolean; command: Command }

export const MAX_MESSAGE_BYTES = 48_000_000
const HEADER_BYTES = 16
// mongod takes a little more than it announces, for the header and the command around a full batch.
const MAX_WIRE_BYTES = MAX_MESSAGE_BYTES + 64 * 1024
const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013
const CHECKSUM_PRESENT = 1
const MORE_TO_COME = 2
const REQUIRED_BITS = 0xffff

/** Bytes that are no message at all: the connection that sent them is closed, the others stay. */
export class WireError extends Error {}

/** The length of the message that begins here, or undefined while its header is not complete. */
export function messageLength(buffer: Buffer): number | undefined {
  if (buffer.length < 4) return undefined
  const length = buffer.readInt32LE(0)
  if (length < HEADER_BYTES + 5 || length > MAX_WIRE_BYTES) throw new WireError(`message length ${length}`)
  return length
}

export function requestIdOf(message: Buffer): number {
  return message.readInt32LE(4)
}

/** A malformed header throws WireError, a malformed command MongoRefusal: the latter can be answered. */
export function parseRequest(message: Buffer): Request {
  const opCode = message.readInt32LE(12)
  if (opCode === OP_MSG) return parseMessage(message)
  if (opCode === OP_QUERY) return parseLegacyQuery(message)
  throw new WireError(`operation code ${opCode}`)
}

function parseMessage(message: Buffer): Request {
  const flags = message.readUInt32LE(HEADER_BYTES)
  if (flags & REQUIRED_BITS & ~(CHECKSUM_PRESENT | MORE_TO_COME)) throw new WireError(`flag bits ${flags}`)
  const limit = message.length - (flags & CHECKSUM_PRESENT ? 4 : 0)
  const lists = new Map<string, Value[]>()
  let body: Value | undefined
  let at = HEADER_BYTES + 4
  while (at < limit) {
    const kind = message[at]
    at++
    if (kind === 0) {
      if (body) throw new WireError('two bodies')
      const end = validateDocument(message, at, limit)
      body = documentAt(message, at)
      at = end
    } else if (kind === 1) {
      at = parseList(message, at, { limit, lists })
    } else throw new WireError(`section kind ${kind}`)
  }
  if (!body) throw new WireError('no body')
  const fields = fieldsOf(body)
  return { id: requestIdOf(message), isLegacy: false, expectsReply: !(flags & MORE_TO_COME), command: commandOf(fields, lists) }
}

function parseList(message: Buffer, start: number, into: { limit: number; lists: Map<string, Value[]> }): number {
  if (start + 4 > into.limit) throw new WireError('section cut off')
  const end = start + message.readInt32LE(start)
  const nameEnd = message.indexOf(0, start + 4)
  if (end > into.limit || nameEnd < 0 || nameEnd >= end) throw new WireError('section cut off')
  const documents: Value[] = []
  let at = nameEnd + 1
  while (at < end) {
    const next = validateDocument(message, at, end)
    documents.push(documentAt(message, at))
    at = next
  }
  into.lists.set(message.toString('utf8', start + 4, nameEnd), documents)
  return end
}

function parseLegacyQuery(message: Buffer): Request {
  const nameEnd = message.indexOf(0, HEADER_BYTES + 4)
  const at = nameEnd + 1 + 8
  if (nameEnd < 0 || at + 5 > message.length) throw new WireError('legacy query cut off')
  validateDocument(message, at, message.length)
  const namespace = message.toString('utf8', HEADER_BYTES + 4, nameEnd)
  const command = commandOf(fieldsOf(documentAt(message, at)), new Map())
  command.database = namespace.split('.')[0] ?? 'admin'
  return { id: requestIdOf(message), isLegacy: true, expectsReply: true, command }
}

function commandOf(list: Field[], lists: Map<string, Value[]>): Command {
  const name = list[0]?.name
  if (name === undefined) throw new MongoRefusal(9, 'the command is empty')
  const fields = new Map(list.map((field) => [field.name, field.value]))
  const database = fields.get('$db')
  return { name, fields, lists, database: database?.type === TYPE.string ? stringOf(database) : 'admin' }
}

let lastReplyId = 0

/** The parts of a reply to be written as they are: a header and the document's bytes. */
export function encodeReply(request: { id: number; isLegacy: boolean }, document: Buffer): Buffer[] {
  const head = Buffer.alloc(request.isLegacy ? HEADER_BYTES + 20 : HEADER_BYTES + 5)
  head.writeInt32LE(head.length + document.length, 0)
  lastReplyId = (lastReplyId + 1) | 0
  head.writeInt32LE(lastReplyId, 4)
  head.writeInt32LE(request.id, 8)
  head.writeInt32LE(request.isLegacy ? OP_REPLY : OP_MSG, 12)
  if (request.isLegacy) head.writeInt32LE(1, HEADER_BYTES + 16)
  return [head, document]
}
