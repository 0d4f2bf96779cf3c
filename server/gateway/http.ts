import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import helmet from 'helmet'
import { v4 as uuid } from 'uuid'
import { ParleyError } from '../../shared/protocol/index.ts'
import { jsonFault } from '../../shared/rules/json-fault.ts'
import { isOperator, type Principal } from '../core/principal.ts'
import type { Route, RouteAnswer } from '../pipeline/route.ts'
import type { LogEvent } from './logger.ts'
import { fromHttpError, problemOf, refusalOf } from './problem.ts'

export interface HttpDeps {
  routes: readonly Route[]
  /** Where the built console lies. */
  console_directory: string
  dev_mode: boolean
  /** The hub's own origins with ws: or wss:, for browsers whose 'self' does not cover sockets. */
  socket_origins: readonly string[]
  logEvent: LogEvent
  /** Undefined for a request without credentials; throws UNAUTHENTICATED for bad ones. */
  identify(request: {
    authorization: string | undefined
    cookie: string | undefined
    origin: string | undefined
    method: string
  }): Promise<Principal | undefined>
  largest_body: number
  most_depth: number
}

const TRACEPARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/

/** The HTTP face: the routes that the features brought, the console's files, and one shape for every error. */
export function createHttp(deps: HttpDeps): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('query parser', 'simple')
  app.set('etag', false)
  app.use(correlate(deps))
  app.use(
    helmet({
      contentSecurityPolicy: { useDefaults: false, directives: { ...contentPolicy, connectSrc: ["'self'", ...deps.socket_origins] } },
      strictTransportSecurity: false,
    }),
  )
  app.use(requireJson)
  app.use(express.json({ limit: deps.largest_body, strict: false }))
  mount(app, deps)
  serveConsole(app, deps.console_directory)
  app.use((request: Request) => {
    throw new ParleyError('ROUTE_UNKNOWN', { path: request.path.slice(0, 200) })
  })
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => fail(error, { request, response, deps }))
  return app
}

/** No inline script or style, no foreign origin, no framing; the socket goes to the hub itself. */
const contentPolicy = {
  defaultSrc: ["'self'"],
  scriptSrc: ["'self'"],
  scriptSrcAttr: ["'none'"],
  styleSrc: ["'self'"],
  fontSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  frameAncestors: ["'none'"],
  objectSrc: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'self'"],
  requireTrustedTypesFor: ["'script'"],
}

/** Every answer and log line of a request carries one id: the caller's trace (W3C Trace Context), or a new one. */
function correlate({ logEvent, dev_mode }: HttpDeps) {
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

/** A body of another kind would otherwise be passed over in silence. */
function requireJson(request: Request, _response: Response, next: NextFunction): void {
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  if (hasBody && !request.is(['application/json', 'application/merge-patch+json'])) throw new ParleyError('MEDIA_TYPE_UNSUPPORTED')
  next()
}

function mount(app: Express, deps: HttpDeps): void {
  const byPath = Map.groupBy(deps.routes, ({ path }) => path)
  // Literal paths before those with a parameter, whatever order the features came in.
  const paths = [...byPath].sort(([a], [b]) => Number(a.includes(':')) - Number(b.includes(':')))
  for (const [path, routes] of paths) {
    for (const route of routes) {
      const method = route.method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete'
      app[method](path, (request, response, next) => {
        answer(route, request, response, deps).catch(next)
      })
    }
    app.all(path, (_request, response) => {
      const allowed = routes.map(({ method }) => method)
      response.setHeader('Allow', allowed.join(', '))
      throw new ParleyError('METHOD_NOT_ALLOWED', { allowed })
    })
  }
}

async function answer(route: Route, request: Request, response: Response, deps: HttpDeps): Promise<void> {
  const { authorization, cookie, origin } = request.headers
  const principal =
    route.access === 'public'
      ? undefined
      : await deps.identify({ authorization, cookie, origin, method: request.method }).catch((error: unknown) => {
          // An open route serves those with bad credentials too: they may be here to get new ones.
          if (route.access === 'open' && error instanceof ParleyError && error.code === 'UNAUTHENTICATED') return undefined
          throw error
        })
  if (route.access !== 'open' && route.access !== 'public' && principal === undefined) throw new ParleyError('UNAUTHENTICATED')
  if (route.access === 'operator' && (principal === undefined || !isOperator(principal)))
    throw new ParleyError('PERMISSION_DENIED', { role: 'admin' })
  const { params, query, body, headers } = request
  const fault = body === undefined ? undefined : jsonFault(body, deps.most_depth)
  if (fault !== undefined) throw new ParleyError('REQUEST_INVALID', { errors: [fault] })
  const correlation_id = String(response.locals['correlation_id'])
  const known = params as Record<string, string>
  send(response, await route.handle({ principal, params: known, query, body, headers, ip: request.ip ?? '', correlation_id }))
}

function send(response: Response, { status, body, headers, text }: RouteAnswer): void {
  response.status(status).set(headers ?? {})
  if (text !== undefined) {
    if (headers?.['Content-Type'] === undefined) response.type('text/plain; charset=utf-8')
    response.send(text)
  } else if (body === undefined) response.end()
  else response.json(body)
}

function serveConsole(app: Express, directory: string): void {
  app.get('/', (_request, response) => response.redirect('/app/'))
  const immutable = { immutable: true, maxAge: '1y', index: false, fallthrough: true } as const
  app.use('/app/assets', express.static(`${directory}/assets`, immutable))
  app.use('/app', express.static(directory, { index: false }))
  app.get(['/app', '/app/*page'], (request, response, next) => {
    if (request.path.startsWith('/app/assets/')) return next()
    response.set('Cache-Control', 'no-cache').sendFile('index.html', { root: directory }, (error) => {
      if (error) response.status(503).type('text/plain').send('The console is not built yet. Run `npm run console`, then reload.')
    })
  })
}

function fail(error: unknown, { request, response, deps }: { request: Request; response: Response; deps: HttpDeps }): void {
  const correlation_id = String(response.locals['correlation_id'] ?? uuid())
  const { refusal, status, ours } = refusalOf(fromHttpError(error), correlation_id)
  if (ours) deps.logEvent('error', 'http.failed', { correlation_id, method: request.method, path: request.path, error })
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
