/** The token that a browser with this session cookie is given for its writes; undefined when the session is over. */
export async function csrfOf(url: string, cookie: string): Promise<string | undefined> {
  const answer = await fetch(`${url}/me`, { headers: { cookie } })
  return answer.headers.getSetCookie().flatMap((one) => /^__Host-parley-csrf=([^;]+)/.exec(one)?.[1] ?? [])[0]
}
