import { type ErrorCode, errorCodes, errors, type HttpRow } from '../../../../shared/protocol/index.ts'
import type { Route } from '../../../pipeline/http/route.ts'

/**
 * Every code by which a route may refuse, by status: what its way in may say (credentials, rates, the body, a key for one effect), and what
 * its row names beside that.
 */
export function refusalsOf(route: Route, row: HttpRow): Map<number, ErrorCode[]> {
  const codes = new Set<ErrorCode>([...byWayIn(route), ...byWhatIsAsked(route, row), ...(row.refuses ?? []), ...byTheWire])
  return Map.groupBy(
    errorCodes.filter((code) => codes.has(code)),
    (code) => errors[code].status,
  )
}

/** Before anybody knows which route is meant, and when the hub cannot. */
const byTheWire: readonly ErrorCode[] = ['REQUEST_TOO_SLOW', 'EXPECTATION_FAILED', 'HEADERS_TOO_LARGE', 'INTERNAL', 'UNAVAILABLE']

function byWayIn(route: Route): ErrorCode[] {
  if (route.access === 'public') return []
  const isRead = route.method === 'GET'
  const asksForMore = route.access === 'operator' || (route.access === 'principal' && route.scope !== null)
  return [
    'RATE_LIMITED',
    // A browser's cookie counts with the hub's own origin only, whoever may ask.
    'ORIGIN_DENIED',
    ...(isRead ? [] : (['CSRF_TOKEN_INVALID', 'OVERLOADED'] as const)),
    ...(route.access === 'open' ? [] : (['UNAUTHENTICATED'] as const)),
    ...(asksForMore ? (['PERMISSION_DENIED'] as const) : []),
  ]
}

function byWhatIsAsked({ method, path, replay }: Route, { query, versioned }: HttpRow): ErrorCode[] {
  const hasPlace = path.includes(':')
  const hasBody = method !== 'GET'
  return [
    ...(hasPlace ? (['NOT_FOUND'] as const) : []),
    // A path may hold what is no text (`%zz`), too.
    ...(hasPlace || hasBody || versioned || query !== undefined ? (['REQUEST_INVALID'] as const) : []),
    ...(hasBody ? (['FRAME_TOO_LARGE', 'MEDIA_TYPE_UNSUPPORTED'] as const) : []),
    ...(method === 'POST' && replay !== 'never' ? (['KEY_REUSED', 'REQUEST_IN_FLIGHT'] as const) : []),
    ...(versioned && heedsMatch(method) ? (['PRECONDITION_FAILED'] as const) : []),
  ]
}

/** A POST makes something that had no version before. */
export function heedsMatch(method: Route['method']): boolean {
  return method === 'GET' || method === 'PUT' || method === 'PATCH'
}
