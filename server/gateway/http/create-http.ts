import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import helmet from 'helmet'
import { type HttpRow, ParleyError, type Rates } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { DoorWatch } from '../../pipeline/door-watch.ts'
import type { Route } from '../../pipeline/http/route.ts'
import type { Identified } from '../admission.ts'
import type { LogEvent } from '../logger.ts'
import { answerError } from './answer-error.ts'
import { createAnswerRoute } from './answer-route.ts'
import { contentPolicy } from './content-policy.ts'
import { correlate } from './correlate.ts'
import { allowOrigins } from './cors.ts'
import type { IdempotencyStore } from './idempotency/idempotency-store.ts'
import { mountRoutes } from './mount-routes.ts'
import type { RateStore } from './rate-store.ts'
import { serveConsole, serveDocs } from './serve-console.ts'

export interface HttpDeps {
  routes: readonly Route[]
  /** What is promised of each, by method and path. */
  rows: Readonly<Record<string, HttpRow>>
  /** Where the built console lies. */
  console_directory: string
  dev_mode: boolean
  /** The hub's own origins with ws: or wss:, for browsers whose 'self' does not cover sockets. */
  socket_origins: readonly string[]
  logEvent: LogEvent
  /** Undefined for a request without credentials; throws UNAUTHENTICATED for bad ones. */
  identify(request: { headers: IncomingHttpHeaders; method: string }): Promise<Identified | undefined>
  /** Whose pages may ask with a key or token of their own. */
  cors_origins: readonly string[]
  /** Browsers reach the hub by https, and shall try nothing else. */
  is_https: boolean
  addressOf(request: IncomingMessage): string
  /** Hears of every request that a route refused. */
  onTurnedAway: DoorWatch
  rates: Rates
  rateStore: RateStore
  idempotencyStore: IdempotencyStore
  clock: Clock
  onTrouble(what: string, cause: unknown): void
  largest_body: number
  most_depth: number
}

const HSTS_S = 180 * 86_400

/** The HTTP face: the routes that the features brought, the console's files, and one shape for every error. */
export function createHttp(deps: HttpDeps): Express {
  const { routes, logEvent, socket_origins } = deps
  const app = express()
  app.disable('x-powered-by')
  app.set('query parser', 'simple')
  app.set('etag', false)
  app.use(correlate(deps))
  app.use(
    helmet({
      contentSecurityPolicy: { useDefaults: false, directives: { ...contentPolicy, connectSrc: ["'self'", ...socket_origins] } },
      strictTransportSecurity: deps.is_https && { maxAge: HSTS_S, includeSubDomains: false },
    }),
  )
  if (deps.cors_origins.length > 0) app.use(allowOrigins(deps.cors_origins))
  mountRoutes(app, routes, createAnswerRoute(deps))
  serveDocs(app)
  serveConsole(app, deps.console_directory)
  app.use((request: Request) => {
    throw new ParleyError('ROUTE_UNKNOWN', { path: request.path.slice(0, 200) })
  })
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) =>
    answerError(error, { request, response, logEvent }),
  )
  return app
}
