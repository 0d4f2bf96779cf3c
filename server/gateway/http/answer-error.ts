import type { Request, Response } from 'express'
import type { LogEvent } from '../logger.ts'
import { fromHttpError, problemOf, refusalOf } from '../problem.ts'
import { correlationOf } from './correlate.ts'

/** The one way out for errors: problem+json (RFC 9457). A fault of ours is logged here, and leaves without its message. */
export function answerError(error: unknown, { request, response, logEvent }: { request: Request; response: Response; logEvent: LogEvent }) {
  const correlation_id = correlationOf(response)
  const { refusal, status, ours } = refusalOf(fromHttpError(error), correlation_id)
  if (ours) logEvent('error', 'http.failed', { correlation_id, method: request.method, path: request.path, error })
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="parley"')
  const retry_after_ms = refusal.facts?.['retry_after_ms']
  if (typeof retry_after_ms === 'number') response.setHeader('Retry-After', String(Math.ceil(retry_after_ms / 1_000)))
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify(problemOf(refusal, { status, instance: request.path })))
}
