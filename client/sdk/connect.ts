import { HubSession } from './hub.ts'
import { systemClock } from './link/clock.ts'
import { ownRefusal, RefusedError, toError } from './refused-error.ts'
import { browserStorage, memoryStorage, type OutboxStorage } from './storage.ts'
import type { ConnectOptions, Hub } from './types.ts'

const CONNECT_TIMEOUT_MS = 30_000
const ACK_TIMEOUT_MS = 10_000

/**
 * Connects to a hub and resolves when it has answered. Rejects with a RefusedError: UNAUTHENTICATED or PROTOCOL_UNSUPPORTED from
 * the hub, UNREACHABLE when there is none within `connect_timeout_ms`. From then on the connection comes back by itself.
 */
export function connect(options: ConnectOptions): Promise<Hub> {
  const { connect_timeout_ms = CONNECT_TIMEOUT_MS, clock = systemClock } = options
  const hub = new HubSession({
    ...options,
    url: options.url ?? pageOrigin(),
    storage: options.storage ?? defaultStorage(),
    clock,
    agent: options.agent ?? { name: 'parley-sdk', version: '0.1.0' },
    ack_timeout_ms: options.ack_timeout_ms ?? ACK_TIMEOUT_MS,
  })
  return new Promise((resolve, reject) => {
    const cancelTimeout = Number.isFinite(connect_timeout_ms)
      ? clock.after(connect_timeout_ms, () => {
          hub.link.close(inTime(connect_timeout_ms, hub.link.lastError))
        })
      : () => undefined
    const stop = hub.on('state', (state) => {
      stop()
      cancelTimeout()
      if (state === 'live') resolve(hub)
      else reject(hub.link.fault ?? toError('closed'))
    })
    hub.link.open()
  })
}

/** Why there is no connection yet: nobody answers, or the hub that does says `later`. */
function inTime(timeout_ms: number, last: Error | undefined): RefusedError {
  if (last instanceof RefusedError && last.code === 'UNREACHABLE') return last
  const options = last === undefined ? {} : { cause: last }
  const why = last instanceof RefusedError ? last.title : (last?.message ?? 'it gave no answer')
  return ownRefusal('UNREACHABLE', `The hub let nobody in within ${timeout_ms} ms (${why})`, options)
}

function pageOrigin(): string {
  if (typeof location === 'undefined') throw new TypeError('`url` is missing: only a page knows its hub without one')
  return location.origin
}

function defaultStorage(): OutboxStorage {
  try {
    // Reading the name throws on pages that may not store anything. Node has no such storage unless it is told a file.
    return typeof document === 'undefined' ? memoryStorage() : browserStorage(localStorage)
  } catch {
    return memoryStorage()
  }
}
