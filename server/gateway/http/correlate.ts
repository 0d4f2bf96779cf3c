import type { NextFunction, Request, Response } from 'express'
import { v4 as uuid } from 'uuid'
import type { LogEvent } from '../logger.ts'

const TRACEPARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/

/** Every answer and log line of a request carries one id: the caller's trace (W3C Trace Context), or a new one. */
export function correlate({ logEvent, dev_mode }: { logEvent: LogEvent; dev_mode: boolean }) {
  return (request: Request, response: Response, next: NextFunction) => {
    const correlation_id = TRACEPARENT.exec(request.header('traceparent') ?? '')?.[1] ?? uuid()
    response.locals['correlation_id'] = correlation_id
    response.setHeader('X-Correlation-Id', correlation_id)
    if (dev_mode) response.setHeader('X-Dev-Mode', 'true')
    response.on('finish', () => {
      logEvent('debug', 'http.answered', { correlation_id, method: request.method, path: request.path, status: response.statusCode })
    })
    next()
  }
}

/** The one id of the request. */
export function correlationOf(response: Response): string {
  return String(response.locals['correlation_id'] ?? uuid())
}
