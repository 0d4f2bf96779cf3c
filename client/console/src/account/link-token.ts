import { type Route, routeOf } from '../route.ts'

export interface LinkToken {
  /** The page that the link leads to: on no other page the token means anything. */
  page: Route['page']
  token: string
}

/**
 * The token of a link, taken out of the address bar. It stands behind the #, so no server, log or link preview has seen it; from here on
 * neither the history nor a copied address holds it.
 */
export function takeLinkToken(): LinkToken | undefined {
  if (!location.hash.startsWith('#token=')) return undefined
  const token = location.hash.slice('#token='.length)
  const path = location.pathname + location.search
  history.replaceState(null, '', path)
  return { page: routeOf(path).page, token }
}
