import { hash } from 'node:crypto'
import { z } from 'zod'

/** The last row of a page: what it is sorted by, and its id. */
export interface Cursor {
  value: unknown
  _id: string
}

// Only plain values: an object would reach the database as a query of the client's own.
const cursorSchema = z.union([
  z.tuple([z.string(), z.string(), z.union([z.string(), z.number(), z.null()])]),
  z.tuple([z.string(), z.string(), z.literal('date'), z.number()]),
])

/** Opaque to clients, and good only for the list, filters and order (`about`) that it came from. */
export function writeCursor({ value, _id }: Cursor, about: string): string {
  const plain = value instanceof Date ? ['date', value.getTime()] : [value]
  return Buffer.from(JSON.stringify([markOf(about), _id, ...plain])).toString('base64url')
}

export function readCursor(text: string, about: string): Cursor | undefined {
  const parsed = cursorSchema.safeParse(parseJson(Buffer.from(text, 'base64url').toString('utf8')))
  if (!parsed.success || parsed.data[0] !== markOf(about)) return undefined
  const [, _id, value, time] = parsed.data
  return { _id, value: time === undefined ? value : new Date(time) }
}

function markOf(about: string): string {
  return hash('sha256', about, 'base64url').slice(0, 8)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no cursor at all, which the schema then says
  }
}
