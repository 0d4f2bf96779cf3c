import express, { type Request, type Response } from 'express'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { jsonFault } from '../../../shared/rules/json-fault.ts'

/** Reads a JSON body, once it is known who sends it. Refuses other media types, what is too large, too deep, or has no canonical text. */
export function createReadBody({ largest_body, most_depth }: { largest_body: number; most_depth: number }) {
  const parseJson = express.json({ limit: largest_body, strict: false, type: ['application/json', 'application/merge-patch+json'] })

  return async function readBody(request: Request, response: Response): Promise<unknown> {
    requireJson(request)
    await new Promise<void>((resolve, reject) => {
      parseJson(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)))
    })
    // Express reads an empty body as `{}`: to put nothing in the place of something is never meant.
    const body: unknown = request.method === 'PUT' && request.headers['content-length'] === '0' ? undefined : request.body
    const fault = body === undefined ? undefined : jsonFault(body, most_depth)
    if (fault !== undefined) throw new ParleyError('REQUEST_INVALID', { errors: [fault] })
    return body
  }
}

/** A body of another kind would otherwise be passed over in silence. */
function requireJson(request: Request): void {
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  if (hasBody && !request.is(['application/json', 'application/merge-patch+json'])) throw new ParleyError('MEDIA_TYPE_UNSUPPORTED')
}
