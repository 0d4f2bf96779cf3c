/** Where the neighbours of a page are (RFC 8288), with every filter that was asked for. */
export function listLink(path: string, query: object, next_cursor: string | undefined): Record<string, string> {
  const to = (changes: Record<string, string | undefined>) => {
    const parameters = Object.entries({ ...query, ...changes }).filter(([, value]) => value !== undefined)
    return `<${path}?${new URLSearchParams(parameters.map(([name, value]) => [name, String(value)]))}>`
  }
  const first = `${to({ offset: undefined, cursor: undefined })}; rel="first"`
  if (next_cursor === undefined) return { Link: first }
  return { Link: `${first}, ${to({ offset: undefined, cursor: next_cursor })}; rel="next"` }
}
