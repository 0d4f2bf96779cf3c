import { computed, signal } from '@preact/signals'

export type Route =
  | { page: 'sign-in' }
  | { page: 'invitation' }
  | { page: 'password-reset' }
  | { page: 'rooms' }
  /** `event`: the place in the log that a link points at. */
  | { page: 'room'; contract_id: string; event: number | undefined }
  | { page: 'account' }
  | { page: 'people' }
  | { page: 'agents' }
  | { page: 'agent'; agent_id: string }
  /** `search`: the filters, as the address has them. */
  | { page: 'audit'; search: string }
  | { page: 'unknown' }

const address = signal(location.pathname + location.search)
addEventListener('popstate', () => {
  address.value = location.pathname + location.search
})

export const route = computed<Route>(() => routeOf(address.value))
/** The room that is open, apart from the event a link points at: changes only when another room is chosen. */
export const openRoomId = computed(() => (route.value.page === 'room' ? route.value.contract_id : undefined))

export function navigate(path: string, { replace = false }: { replace?: boolean } = {}): void {
  if (path === address.value) return
  if (replace) history.replaceState(null, '', path)
  else history.pushState(null, '', path)
  address.value = path
}

export function roomPath(contract_id: string, event?: number): string {
  return `/app/rooms/${encodeURIComponent(contract_id)}${event === undefined ? '' : `?e=${event}`}`
}

export function agentPath(agent_id: string): string {
  return `/app/agents/${encodeURIComponent(agent_id)}`
}

/** Follows links of the console without loading the page again; what the browser should do itself (new tab, download) it does. */
export function onLinkClick(click: MouseEvent): void {
  if (click.defaultPrevented || click.button !== 0 || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return
  const link = click.target instanceof Element ? click.target.closest('a') : null
  if (link === null || link.target !== '' || link.hash !== '' || link.origin !== location.origin || !link.pathname.startsWith('/app/'))
    return
  click.preventDefault()
  navigate(link.pathname + link.search)
}

export function routeOf(path: string): Route {
  const url = new URL(path, 'http://console.invalid')
  const parts = url.pathname.split('/').filter((part) => part !== '')
  if (parts[0] !== 'app') return { page: 'unknown' }
  if (parts.length === 1 || (parts.length === 2 && parts[1] === 'rooms')) return { page: 'rooms' }
  const plain = parts.length === 2 ? plainPages.find((page) => page === parts[1]) : undefined
  if (plain !== undefined) return { page: plain }
  if (parts.length === 2 && parts[1] === 'audit') return { page: 'audit', search: url.search }
  if (parts.length === 3 && parts[1] === 'agents') return { page: 'agent', agent_id: decode(parts[2] ?? '') }
  if (parts.length === 3 && parts[1] === 'rooms') {
    const event = Number(url.searchParams.get('e') ?? Number.NaN)
    return { page: 'room', contract_id: decode(parts[2] ?? ''), event: Number.isSafeInteger(event) && event > 0 ? event : undefined }
  }
  return { page: 'unknown' }
}

/** Pages whose address is their name. */
const plainPages = ['sign-in', 'invitation', 'password-reset', 'account', 'people', 'agents'] as const

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    // A stray %: the hub will say that there is no such room.
    return part
  }
}
