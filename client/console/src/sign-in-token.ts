/**
 * The token of a sign-in link, taken out of the address bar. It stands behind the #, so no server, log or link preview has seen it;
 * from here on neither the history nor a copied address holds it.
 */
export function takeSignInToken(): string | undefined {
  if (!location.hash.startsWith('#token=')) return undefined
  const token = location.hash.slice('#token='.length)
  history.replaceState(null, '', location.pathname + location.search)
  return token
}
