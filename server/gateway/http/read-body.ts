import express, { type Request, type Response } from 'express'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { jsonFault } from '../../../shared/rules/json-fault.ts'

const JSON_TYPES = ['application/json', 'application/merge-patch+json']

/**
 * Reads a JSON body, once it is known who sends it; undefined when not a byte came, however that was said. Refuses other media types, what is
 * too large, no UTF-8, too deep, or has no canonical text.
 */
export function createReadBody({ largest_body, most_depth }: { largest_body: number; most_depth: number }) {
  const readBytes = express.raw({ limit: largest_body, type: () => true })

  return async function readBody(request: Request, response: Response): Promise<unknown> {
    // Of another kind, and said to be there: not a byte of it is read.
    if (Number(request.headers['content-length'] ?? 0) > 0) requireJson(request)
    await new Promise<void>((resolve, reject) => {
      readBytes(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)))
    })
    const bytes: unknown = request.body
    if (!Buffer.isBuffer(bytes) || bytes.length === 0) return undefined
    requireJson(request)
    const body = parseJson(bytes)
    const fault = jsonFault(body, most_depth)
    if (fault !== undefined) throw new ParleyError('REQUEST_INVALID', { errors: [fault] })
    return body
  }
}

/** A body of another kind would otherwise be passed over in silence. JSON on the wire is UTF-8 and nothing else (RFC 8259, 8.1). */
function requireJson(request: Request): void {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(request.headers['content-type'] ?? '')?.[1]
  if (!request.is(JSON_TYPES) || (charset ?? 'utf-8').toLowerCase() !== 'utf-8') throw new ParleyError('MEDIA_TYPE_UNSUPPORTED')
}

/** What is no UTF-8 would be kept as other characters than were sent, and nobody would know. */
function parseJson(bytes: Buffer): unknown {
  let what = 'UTF-8'
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    what = 'JSON'
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new ParleyError('REQUEST_INVALID', { errors: [{ pointer: '', detail: `the body is not ${what}` }] }, { cause })
  }
}
