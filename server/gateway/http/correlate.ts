import { randomBytes } from 'node:crypto'
import type { NextFunction, Request, Response } from 'express'
import { readTraceparent, writeTraceparent } from '../../core/trace-context.ts'
import type { LogEvent } from '../logger.ts'

/**
 * Every answer and log line of a request carries one id: the caller's trace (W3C Trace Context), or a new one. The answer's
 * `traceparent` names the hub's own span in it.
 */
export function correlate({ logEvent, dev_mode }: { logEvent: LogEvent; dev_mode: boolean }) {
  return (request: Request, response: Response, next: NextFunction) => {
    const trace = readTraceparent(request.header('traceparent')) ?? { trace_id: newTraceId(), flags: '00' }
    const correlation_id = trace.trace_id
    response.locals['correlation_id'] = correlation_id
    response.setHeader('X-Correlation-Id', correlation_id)
    response.setHeader('traceparent', writeTraceparent(trace, randomBytes(8).toString('hex')))
    if (dev_mode) response.setHeader('X-Dev-Mode', 'true')
    response.on('finish', () => {
      logEvent('debug', 'http.answered', { correlation_id, method: request.method, path: request.path, status: response.statusCode })
    })
    next()
  }
}

/** The one id of the request. */
export function correlationOf(response: Response): string {
  return String(response.locals['correlation_id'] ?? newTraceId())
}

export function newTraceId(): string {
  return randomBytes(16).toString('hex')
}
