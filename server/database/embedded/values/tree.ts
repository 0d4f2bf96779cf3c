import { MongoRefusal } from '../errors.ts'
import { documentAt, elementsOf, fieldsOf, MAX_DEPTH, TYPE, type Value } from './value.ts'

/**
 * A document opened for change. What is not touched stays the bytes it was, so types, and the order of fields, survive an update
 * (a JavaScript object would move fields named like numbers to the front).
 */
export type Tree = { kind: 'object'; fields: Map<string, Node> } | { kind: 'array'; items: Node[] }
export type Node = Value | Tree

export function isTree(node: Node | undefined): node is Tree {
  return node !== undefined && 'kind' in node
}

export function openObject(value: Value): Tree & { kind: 'object' } {
  return { kind: 'object', fields: new Map(fieldsOf(value).map((field) => [field.name, field.value])) }
}

/** The node as a tree if it is an object or array, else undefined. */
export function opened(node: Node): Tree | undefined {
  if (isTree(node)) return node
  if (node.type === TYPE.object) return openObject(node)
  if (node.type === TYPE.array) return { kind: 'array', items: elementsOf(node) }
  return undefined
}

export function closed(node: Node): Value {
  if (!isTree(node)) return node
  const buffer = encodeTree(node)
  return { type: node.kind === 'array' ? TYPE.array : TYPE.object, buffer, start: 0, end: buffer.length }
}

export function documentOf(tree: Tree): Value {
  return documentAt(encodeTree(tree))
}

const END = Buffer.from([0])

function encodeTree(tree: Tree, depth = 0): Buffer {
  if (depth > MAX_DEPTH) throw new MongoRefusal(15, `cannot nest documents deeper than ${MAX_DEPTH} levels`)
  const size = Buffer.alloc(4)
  const parts: Buffer[] = [size]
  const entries = tree.kind === 'object' ? tree.fields.entries() : tree.items.entries()
  for (const [name, node] of entries) {
    const value = isTree(node) ? undefined : node
    const type = value ? value.type : (node as Tree).kind === 'array' ? TYPE.array : TYPE.object
    parts.push(Buffer.from([type]), Buffer.from(String(name)), END)
    parts.push(value ? value.buffer.subarray(value.start, value.end) : encodeTree(node as Tree, depth + 1))
  }
  parts.push(END)
  const bytes = Buffer.concat(parts)
  bytes.writeInt32LE(bytes.length, 0)
  return bytes
}

export const NULL: Value = { type: TYPE.null, buffer: Buffer.alloc(0), start: 0, end: 0 }

export function intValue(number: number): Value {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32LE(number)
  return { type: TYPE.int, buffer, start: 0, end: 4 }
}

export function longValue(number: bigint): Value {
  const buffer = Buffer.alloc(8)
  buffer.writeBigInt64LE(number)
  return { type: TYPE.long, buffer, start: 0, end: 8 }
}

export function doubleValue(number: number): Value {
  const buffer = Buffer.alloc(8)
  buffer.writeDoubleLE(number)
  return { type: TYPE.double, buffer, start: 0, end: 8 }
}

export function dateValue(ms: number): Value {
  return { ...longValue(BigInt(ms)), type: TYPE.date }
}

export function boolValue(isTrue: boolean): Value {
  return { type: TYPE.bool, buffer: Buffer.from([isTrue ? 1 : 0]), start: 0, end: 1 }
}

export function stringValue(text: string): Value {
  const bytes = Buffer.byteLength(text)
  const buffer = Buffer.alloc(bytes + 5)
  buffer.writeInt32LE(bytes + 1)
  buffer.write(text, 4)
  return { type: TYPE.string, buffer, start: 0, end: buffer.length }
}

export function arrayOf(items: Node[]): Value {
  return { ...documentOf({ kind: 'array', items }), type: TYPE.array }
}
