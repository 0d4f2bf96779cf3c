import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { composeHub, type Hub } from '../../server/compose/compose-hub.ts'
import type { Clock } from '../../server/core/clock.ts'
import { launchEmbedded } from '../../server/database/embedded/process/launch.ts'
import type { FanOut } from '../../server/gateway/delivery/fan-out.ts'
import { defaultLadder, type Ladder } from '../../server/gateway/delivery/slow-consumers.ts'
import type { LogEvent } from '../../server/gateway/logger.ts'
import type { Pings } from '../../server/gateway/socket/sockets.ts'
import { defaultLimits, type Limits, type Rates } from '../../shared/protocol/index.ts'
import { watchAnswers } from './watch-answers.ts'
import { wideRates } from './wide-rates.ts'

export interface Trouble {
  level: string
  event: string
  details: Record<string, unknown>
}

export interface TestHub extends Hub {
  mongodb_uri: string
  database_name: string
  data_dir: string
  /** What it logged at warn and above: a test may look, and a fault of the hub itself fails loudly. */
  troubles: Trouble[]
  /** The first of them that fits, now or later. */
  troubled(fits: (trouble: Trouble) => boolean): Promise<Trouble>
  post(path: string, body: unknown, bearer?: string): Promise<{ status: number; body: never }>
  get(path: string, bearer?: string): Promise<{ status: number; body: never }>
}

export interface TestHubOptions {
  /** Hears every line of the hub's log. */
  onLog?: LogEvent
  rates?: Partial<Rates>
  trust_proxy?: number | string[]
  cors_origins?: string[]
  dev_mode?: boolean
  redis_url?: string
  clock?: Clock
  limits?: Partial<Limits>
  ladder?: Partial<Ladder>
  pings?: Pings
  fanOut?: FanOut
  /** A quarter of a second for each hash, as outside of tests. */
  dear_passwords?: boolean
  /** Another hub's database, to be the second hub on it, or the same one after a restart. */
  like?: Pick<TestHub, 'mongodb_uri' | 'database_name' | 'data_dir'>
}

/** The least that bcrypt takes: a test that signs people up is not about their passwords. */
export const CHEAP_PASSWORDS = 4

let shared: Promise<{ uri: string; stop(): Promise<void> }> | undefined

/** The database of this test run: `MONGODB_URI`, or one embedded server in memory for all hubs of the process. */
export async function testDatabase(): Promise<string> {
  const given = process.env['MONGODB_URI']
  if (given !== undefined && given !== '') return given
  shared ??= launchShared()
  return (await shared).uri
}

async function launchShared() {
  const directory = await mkdtemp(join(tmpdir(), 'parley-db-'))
  const { uri, stop } = await launchEmbedded({ directory, mode: 'memory' })
  return { uri, stop: () => stop().then(() => rm(directory, { recursive: true, force: true })) }
}

/** Called once, after all tests. */
export async function stopTestDatabase(): Promise<void> {
  await (await shared)?.stop()
  shared = undefined
}

/** A whole hub in this process: real HTTP, real sockets, a database of its own. */
export async function startHub({
  clock,
  limits,
  rates,
  ladder,
  pings,
  fanOut,
  like,
  redis_url,
  trust_proxy,
  cors_origins,
  dev_mode = false,
  dear_passwords = false,
  onLog,
}: TestHubOptions = {}): Promise<TestHub> {
  const mongodb_uri = like?.mongodb_uri ?? (await testDatabase())
  const database_name = like?.database_name ?? `hub_${randomUUID().replaceAll('-', '').slice(0, 20)}`
  const data_dir = like?.data_dir ?? (await mkdtemp(join(tmpdir(), 'parley-hub-')))
  const troubles: Trouble[] = []
  const watchers = new Set<() => void>()
  const logEvent: LogEvent = (level, event, details = {}) => {
    onLog?.(level, event, details)
    // An alert tells what others did, and is no fault of the hub.
    if ((level !== 'warn' && level !== 'error') || event === 'audit.alert') return
    troubles.push({ level, event, details })
    for (const watch of [...watchers]) watch()
  }
  const troubled: TestHub['troubled'] = (fits) =>
    new Promise((resolve) => {
      const watch = () => {
        const found = troubles.find(fits)
        if (found === undefined) return
        watchers.delete(watch)
        resolve(found)
      }
      watchers.add(watch)
      watch()
    })
  const config = {
    ...{ host: '127.0.0.1', port: 0, data_dir, public_url: undefined, redis_url, operator_token: undefined, secret: undefined },
    ...{ log_level: 'silent', mongodb_uri, dev_mode, rates: { ...wideRates, ...rates }, trust_proxy, cors_origins },
  }
  const hub = await composeHub({
    ...{ config, logEvent, database_name, limits: { ...defaultLimits, ...limits } },
    ...(clock === undefined ? {} : { clock }),
    ...(ladder === undefined ? {} : { ladder: { ...defaultLadder, ...ladder } }),
    ...(pings === undefined ? {} : { pings }),
    ...(fanOut === undefined ? {} : { fanOut }),
    ...(dear_passwords ? {} : { password_cost: CHEAP_PASSWORDS }),
  })

  const unwatch = await watchAnswers(hub)

  async function fetchJson(method: string, path: string, { body, bearer }: { body?: unknown; bearer?: string | undefined }) {
    const response = await fetch(hub.url + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as never }
  }

  return {
    ...hub,
    ...{ mongodb_uri, database_name, data_dir, troubles, troubled },
    post: (path, body, bearer) => fetchJson('POST', path, { body, bearer }),
    get: (path, bearer) => fetchJson('GET', path, { bearer }),
    close: async () => {
      await hub.close()
      unwatch()
      if (like === undefined) await rm(data_dir, { recursive: true, force: true })
    },
  }
}
