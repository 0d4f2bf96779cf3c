import { createServer } from 'node:net'
import { type RunningHub, runningHubs } from '../../../server/settings/running-hubs.ts'
import { StartFault } from './start-program.ts'
import type { StartSettings } from './start-settings.ts'

const ASK_MS = 1_500
const PORT_LAST = 65_535

/**
 * Undefined when the hub can listen there; this data directory's own hub when that one holds the port. Throws StartFault when
 * something else does, or nobody can: what it is and what to do, in a sentence or two.
 */
export async function portHolder({ host, port, url, data_dir }: StartSettings): Promise<RunningHub | undefined> {
  const code = await listenFault({ host, port })
  if (code === null) return undefined
  if (code === 'EACCES') throw new StartFault(`This user may not listen on port ${port}. Take another: PARLEY_PORT=6767 scripts/start`)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    throw new StartFault(
      `This machine has no address ${host}. Leave PARLEY_HOST unset (127.0.0.1), or set 0.0.0.0 to listen on all addresses.`,
    )
  }
  if (code !== 'EADDRINUSE') throw new StartFault(`The hub cannot listen on ${host}:${port} (${code}).`)
  const own = (await runningHubs(data_dir)).find((hub) => new URL(hub.url).port === String(port))
  if (own !== undefined) return own
  throw new StartFault(await otherHolder({ port, url }))
}

async function otherHolder({ port, url }: { port: number; url: string }): Promise<string> {
  const other = port === PORT_LAST ? port - 1 : port + 1
  const beside = `PARLEY_PORT=${other} PARLEY_DATA_DIR=~/.parley-${other} scripts/start`
  return (await isHub(url))
    ? `A hub on another data directory already runs at ${url}. Use that one, or stop it (Ctrl-C where it was started) and start again. For a second one: ${beside}`
    : `Port ${port} is taken by another program. Stop that one, or take another port: PARLEY_PORT=${other} scripts/start`
}

function listenFault({ host, port }: { host: string; port: number }): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)))
  })
}

/** A hub's /health names its version and its database; another program's answer does not. */
async function isHub(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(ASK_MS) })
    const health: unknown = await response.json()
    return typeof health === 'object' && health !== null && 'status' in health && 'database' in health
  } catch {
    return false // no answer, or one that is not JSON: not a hub
  }
}
