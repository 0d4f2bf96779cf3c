import type { EventText } from './event-store.ts'

/** The types of BSON (bsonspec.org) that an event's fields have. */
const [STRING, OBJECT, ARRAY, DATE, INT] = [2, 3, 4, 9, 16]
/** A document's length stands before its fields and a string's before its letters; a zero ends either. */
const [LENGTH, END] = [4, 1]

/** What stands in a string for bytes that are no UTF-8. */
const NO_TEXT = '\ufffd'

/** What a reader of the log wants. No other field of an event has both the length and the first letter of one of these. */
const wanted = ['seq', 'chain', 'json', 'digest', 'audience', 'hash', 'refused'] as const
type Found = { [name in (typeof wanted)[number]]?: unknown }
const byLook = new Map(wanted.map((name) => [lookOf(name.length, name.charCodeAt(0)), name]))

/**
 * An event as the database sent it, read where it lies: whoever catches up reads thousands of them, and wants half of their fields. Undefined
 * when the document is not laid out as the hub writes it: then it must be decoded.
 */
export function eventTextOf(bytes: Buffer): EventText | undefined {
  const found: Found = {}
  for (let at = LENGTH; at < bytes.length - END; ) {
    const type = bytes[at] ?? 0
    const name_at = at + 1
    let name_end = name_at
    while (name_end < bytes.length && bytes[name_end] !== 0) name_end++
    const start = name_end + 1
    const size = sizeOf(bytes, type, start)
    if (size === undefined || size <= 0 || start + size > bytes.length - END) return undefined
    const name = wantedAt(bytes, name_at, name_end)
    if (name !== undefined)
      found[name] = type === STRING ? bytes.toString('utf8', start + LENGTH, start + size - END) : intAt(bytes, type, start)
    at = start + size
  }
  return isEventText(found) ? found : undefined
}

function wantedAt(bytes: Buffer, start: number, end: number): keyof Found | undefined {
  const name = byLook.get(lookOf(end - start, bytes[start] ?? 0))
  if (name === undefined) return undefined
  for (let nth = 1; nth < name.length; nth++) if (bytes[start + nth] !== name.charCodeAt(nth)) return undefined
  return name
}

function lookOf(length: number, first: number): number {
  return length * 256 + first
}

function sizeOf(bytes: Buffer, type: number, start: number): number | undefined {
  if (start + LENGTH > bytes.length) return undefined
  switch (type) {
    case STRING:
      return LENGTH + bytes.readInt32LE(start)
    case OBJECT:
    case ARRAY:
      return bytes.readInt32LE(start)
    case DATE:
      return 8
    case INT:
      return 4
    default:
      return undefined
  }
}

function intAt(bytes: Buffer, type: number, start: number): number | undefined {
  return type === INT ? bytes.readInt32LE(start) : undefined
}

function isEventText(found: Found): found is EventText {
  const { seq, chain, json, digest, audience, hash, refused } = found
  if (typeof seq !== 'number' || (audience !== 'all' && audience !== 'staff')) return false
  if (typeof chain !== 'string' || typeof json !== 'string' || typeof digest !== 'string' || typeof hash !== 'string') return false
  // Bytes that are no text are refused by who decodes.
  if (json.includes(NO_TEXT)) return false
  return refused === undefined || typeof refused === 'string'
}
