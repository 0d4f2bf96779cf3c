import type { Express, Request, Response } from 'express'
import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Route } from '../../pipeline/http/route.ts'

/** Every route at its path and method; another method there is refused with those that there are. */
export function mountRoutes(
  app: Express,
  routes: readonly Route[],
  answer: (route: Route, request: Request, response: Response) => Promise<void>,
): void {
  const byPath = Map.groupBy(routes, ({ path }) => path)
  // Literal paths before those with a parameter, whatever order the features came in.
  const paths = [...byPath].sort(([a], [b]) => Number(a.includes(':')) - Number(b.includes(':')))
  for (const [path, alike] of paths) {
    for (const route of alike) {
      const method = route.method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete'
      app[method](path, (request, response, next) => {
        answer(route, request, response).catch(next)
      })
    }
    const allowed = allowedOf(alike)
    app.options(path, (_request, response) => {
      response.setHeader('Allow', allowed.join(', '))
      response.status(204).end()
    })
    app.all(path, (_request, response) => {
      response.setHeader('Allow', allowed.join(', '))
      throw new ParleyError('METHOD_NOT_ALLOWED', { allowed })
    })
  }
}

/** Express answers HEAD by the route for GET, without the body. */
function allowedOf(routes: readonly Route[]): string[] {
  const methods = routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  return [...methods, 'OPTIONS']
}
