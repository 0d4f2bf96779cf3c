import cors from 'cors'
import type { RequestHandler } from 'express'

const EXPOSED = [
  ...['ETag', 'Link', 'Location', 'Allow', 'Retry-After', 'RateLimit', 'RateLimit-Policy', 'Idempotent-Replayed'],
  ...['X-Correlation-Id', 'traceparent', 'X-Content-SHA256', 'X-Dev-Mode'],
]
const ALLOWED = ['Authorization', 'Content-Type', 'If-Match', 'If-None-Match', 'Idempotency-Key', 'traceparent']
const PREFLIGHT_S = 600

/**
 * Pages of the named origins, compared exactly, may ask with a key or token of their own. Never with the browser's cookie: that is
 * for the console. Every other origin gets no permission, and its browser keeps the answer from it.
 */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  const known = new Set(origins)
  const handle = cors({
    origin: (origin, done) => done(null, origin !== undefined && known.has(origin)),
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ALLOWED,
    exposedHeaders: EXPOSED,
    credentials: false,
    maxAge: PREFLIGHT_S,
    optionsSuccessStatus: 204,
  })
  return (request, response, next) => {
    response.vary('Origin')
    const { origin } = request.headers
    // What is no preflight of a known origin is answered by the route, as if there were no CORS.
    if (origin === undefined || !known.has(origin)) return next()
    handle(request, response, next)
  }
}
