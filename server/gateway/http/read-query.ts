import { isUtf8 } from 'node:buffer'
import type { Request } from 'express'
import { ParleyError } from '../../../shared/protocol/index.ts'

/** The query's parameters. Refuses bytes that are no UTF-8: they would be read as other characters than were sent, and some are kept. */
export function readQuery({ url, query }: Request): unknown {
  // With the path, which Express has decoded already; it throws on what is no UTF-8 there.
  const bytes = url.replaceAll(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  if (isUtf8(Buffer.from(bytes, 'latin1'))) return query
  throw new ParleyError('REQUEST_INVALID', { errors: [{ pointer: '', detail: 'the query is not UTF-8' }] })
}
