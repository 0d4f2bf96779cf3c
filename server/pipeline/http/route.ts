import type { IncomingHttpHeaders } from 'node:http'
import type { RatePolicy, Scope } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'

export interface RouteRequest {
  /** Undefined only on a route that is open. */
  principal: Principal | undefined
  /** As it was asked for, without the query. */
  path: string
  params: Readonly<Record<string, string>>
  /** As they came; a route parses them with its schema by `parse`. */
  query: unknown
  body: unknown
  headers: IncomingHttpHeaders
  ip: string
  correlation_id: string
  /** For what the request makes. A second try with the same `Idempotency-Key` has the same one, also when the hub died in the first. */
  new_id: string
  /** It is such a second try, and nobody knows how far the first one came: what it was to make may be there. */
  again: boolean
}

export interface RouteAnswer {
  status: number
  /** JSON, or nothing (204). */
  body?: unknown
  headers?: Record<string, string>
  /** Of what the body shows (`etagOf`). A reader of a GET who has it already gets 304 instead. */
  etag?: string
  /** Plain text in the place of JSON. */
  text?: string
  /** Text in parts, in the place of JSON: each is made when the reader has taken the one before. */
  lines?: AsyncIterable<string>
}

/** One row of the HTTP face. The gateway mounts it, and knows no feature by name. */
export type Route = RouteShape & RouteAccess

interface RouteShape {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Express 5 path: `/contracts/:id/events`. */
  path: string
  /** What it counts against; `read` for GET and `write` for the rest, unless it says so. */
  rate?: RatePolicy
  /**
   * Of a POST: what a second request with the same `Idempotency-Key` gets. The first answer, unless this says so: without secrets that
   * are shown once; `never` = the key is passed over, for the whole answer is a secret and asking again does no harm.
   */
  replay?: 'never' | { without: readonly string[] }
  handle(request: RouteRequest): Promise<RouteAnswer>
}

/** `public` = anyone, and nobody is asked who it is; `open` = anyone; `principal` = signed in; `operator` = an admin, or the operator's token. */
export type RouteAccess =
  | { access: 'public' | 'open' | 'operator' }
  /** `scope`: what a key must have to come in; null = any key may. */
  | { access: 'principal'; scope: Scope | null }

/** A route behind `principal` or `operator` always has one; this says so to the compiler, and fails loudly if the table is wrong. */
export function principalOf({ principal }: RouteRequest): Principal {
  if (principal === undefined) throw new Error('the route is open, but asks who is there')
  return principal
}
