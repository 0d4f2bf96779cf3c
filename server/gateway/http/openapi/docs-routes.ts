import type { HttpRow } from '../../../../shared/protocol/index.ts'
import { etagOf } from '../../../pipeline/http/conditional.ts'
import type { Route } from '../../../pipeline/http/route.ts'
import { openApiDocument } from './openapi.ts'

/** `/openapi.json`, which tells of itself too. */
export function openApiRoutes({
  routes,
  ...about
}: {
  routes: readonly Route[]
  rows: Readonly<Record<string, HttpRow>>
  version: string
  public_url: string
}): Route[] {
  const own: Route = {
    method: 'GET',
    path: '/openapi.json',
    access: 'public',
    handle: async () => ({ status: 200, body, etag, headers: { 'Cache-Control': 'no-cache' } }),
  }
  const body = openApiDocument({ routes: [...routes, own], ...about })
  const etag = etagOf(JSON.parse(JSON.stringify(body)))
  return [own]
}
