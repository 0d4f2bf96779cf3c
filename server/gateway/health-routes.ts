import type { Route } from '../pipeline/http/route.ts'

export interface HealthDeps {
  version: string
  dev_mode: boolean
  started_at: string
  database: { kind: string; ping(): Promise<boolean> }
  connections(): number
  metrics(): Promise<{ body: string; type: string }>
  /** False until the hub has started, and again once it goes away. */
  isReady(): boolean
}

/** For people, for the process's keeper, and for the load balancer. */
export function healthRoutes({ version, dev_mode, started_at, database, connections, metrics, isReady }: HealthDeps): Route[] {
  const noStore = { 'Cache-Control': 'no-store' }
  return [
    {
      method: 'GET',
      path: '/health',
      access: 'public',
      handle: async () => {
        const ok = await database.ping()
        const status = ok && isReady() ? 'ok' : 'degraded'
        return {
          status: 200,
          headers: noStore,
          body: { status, version, dev_mode, database: { kind: database.kind, ok }, started_at, connections: connections() },
        }
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      access: 'public',
      handle: async () => {
        const { body, type } = await metrics()
        return { status: 200, text: body, headers: { ...noStore, 'Content-Type': type } }
      },
    },
    // The process turns its event loop; nothing more, or a slow database would get healthy hubs killed.
    { method: 'GET', path: '/livez', access: 'public', handle: async () => ({ status: 200, headers: noStore, body: { status: 'ok' } }) },
    {
      method: 'GET',
      path: '/readyz',
      access: 'public',
      handle: async () => {
        const ready = isReady() && (await database.ping())
        return { status: ready ? 200 : 503, headers: noStore, body: { status: ready ? 'ok' : 'not ready' } }
      },
    },
  ]
}
