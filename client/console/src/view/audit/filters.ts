/** What the trail is asked for, as it stands in the page's address. */
export const filterNames = ['q', 'type', 'severity', 'actor', 'subject', 'agent_id', 'task_id', 'key_id', 'from', 'to'] as const
export type FilterName = (typeof filterNames)[number]
export type Filters = Partial<Record<FilterName, string>>

/** Names that this page does not know are passed over: a link may come from anywhere. */
export function filtersIn(search: string): Filters {
  const asked = new URLSearchParams(search)
  return Object.fromEntries(filterNames.flatMap((name) => (asked.get(name) ? [[name, asked.get(name) ?? '']] : [])))
}

export function auditPath(filters: Filters): string {
  const query = new URLSearchParams(filterNames.flatMap((name) => (filters[name] ? [[name, filters[name]]] : []))).toString()
  return query === '' ? '/app/audit' : `/app/audit?${query}`
}

/** For the hub. The page's days are the reader's own: `to` is the end of its day. */
export function queryOf({ from, to, ...filters }: Filters): string {
  const times = {
    ...(from ? { from: new Date(`${from}T00:00:00`).toISOString() } : {}),
    ...(to ? { to: new Date(`${to}T23:59:59.999`).toISOString() } : {}),
  }
  return new URLSearchParams({ ...filters, ...times }).toString()
}
