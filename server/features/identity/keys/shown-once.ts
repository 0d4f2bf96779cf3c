import type { RouteAnswer } from '../../../pipeline/http/route.ts'

/** Without its secret it is as if the first answer came again. */
export function shownOnce(body: { api_key?: string }): RouteAnswer {
  const replayed = body.api_key === undefined ? { 'Idempotent-Replayed': 'true' } : {}
  return { status: 201, body, headers: { 'Cache-Control': 'no-store', ...replayed } }
}
