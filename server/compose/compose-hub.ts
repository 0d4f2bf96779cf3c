import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { defaultLimits, defaultRates, http, type Limits, type Rates } from '../../shared/protocol/index.ts'
import { type Clock, isoTime, systemClock } from '../core/clock.ts'
import { createCheckpointKeys } from '../core/secrets/checkpoint-keys.ts'
import { deriveKey } from '../core/secrets/derive-key.ts'
import { createClockWatch } from '../database/clock-watch.ts'
import { createConstants, readEpoch } from '../database/connect.ts'
import { migrate } from '../database/migrate.ts'
import { openDatabase } from '../database/open.ts'
import { createAuditWriter } from '../features/audit/index.ts'
import { createIdentity } from '../features/identity/index.ts'
import { createMemoryPresence } from '../features/rooms/index.ts'
import { createAdmission } from '../gateway/admission.ts'
import { createClientAddress } from '../gateway/client-address.ts'
import { createCsrf } from '../gateway/csrf.ts'
import { createEmitFanOut, createFanOut, type FanOut } from '../gateway/delivery/fan-out.ts'
import { NAMESPACE } from '../gateway/delivery/measured-parser.ts'
import { proveFanOut } from '../gateway/delivery/prove-fan-out.ts'
import type { Ladder } from '../gateway/delivery/slow-consumers.ts'
import { healthRoutes } from '../gateway/health-routes.ts'
import { openApiRoutes } from '../gateway/http/openapi/docs-routes.ts'
import { listen } from '../gateway/listen.ts'
import type { LogEvent } from '../gateway/logger.ts'
import { createMeter } from '../gateway/meter.ts'
import { createSockets, type Pings } from '../gateway/socket/sockets.ts'
import { createWriteGate } from '../gateway/write-gate.ts'
import { createDoorWatch, type DoorWatch } from '../pipeline/door-watch.ts'
import { noPeers } from '../pipeline/peers.ts'
import { clockWarning, createBesideWarning, createTokenWarning, operatorMark, refuseForeignSecret } from '../settings/beside-others.ts'
import type { Config } from '../settings/config.ts'
import { hubSecretFile, makeDataDirectory, operatorTokenFile, secretFile } from '../settings/data-directory.ts'
import { noteHub, runningHubs } from '../settings/running-hubs.ts'
import { version } from '../version.ts'
import { composeFeatures, type FeatureDeps } from './compose-features.ts'
import { composeHttp } from './compose-http.ts'
import { composePermissions } from './compose-permissions.ts'

export interface HubOptions {
  config: Config
  logEvent: LogEvent
  clock?: Clock
  limits?: Limits
  rates?: Rates
  /** When a client that does not keep up is treated how. */
  ladder?: Ladder
  /** When a connection that gives no sign of life is given up. */
  pings?: Pings
  /** How frames leave; must prove itself before it is used. */
  fanOut?: FanOut
  /** What a password's hash costs, for tests that make many users. */
  password_cost?: number
  /** The database's name on the server, when several hubs of a test share one. */
  database_name?: string
}

export interface Hub {
  url: string
  operator_token: string
  /** Every route that it serves: `GET /contracts/:id`. */
  routes: string[]
  /** Stops taking frames, answers what it has, sends everyone away, and closes. */
  close(): Promise<void>
}

type CreatePresence = FeatureDeps['createPresence']

/** Builds the whole hub from its settings, and opens it. The only place where things are put together. */
export async function composeHub({
  config,
  logEvent,
  clock = systemClock,
  limits = { ...defaultLimits, ...config.limits },
  rates = { ...defaultRates, ...config.rates },
  ladder,
  pings,
  fanOut: wanted = createFanOut(NAMESPACE),
  password_cost,
  database_name,
}: HubOptions): Promise<Hub> {
  const onTrouble = (what: string, error: unknown) => logEvent('warn', 'trouble', { what, error })
  const closers: (() => unknown)[] = []
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  const unnoted = (error: unknown) => {
    onTrouble('the hub could not be noted in its data directory', error)
    return () => undefined
  }
  try {
    const listening = await listen(config)
    closers.push(() => listening.close())
    await makeDataDirectory(config.data_dir)
    const noted = noteHub(config.data_dir, { pid: process.pid, url: listening.url })
    closers.push(await noted.catch(unnoted))
    const beside = config.redis_url === undefined ? createBesideWarning(logEvent) : undefined
    if (beside !== undefined) {
      for (const other of await runningHubs(config.data_dir)) if (other.url !== listening.url) beside.onDirectory(other)
    }
    const operator_token = config.operator_token ?? (await secretFile(config.data_dir, operatorTokenFile))
    const secret = config.secret ?? (await secretFile(config.data_dir, hubSecretFile))
    const public_url = config.public_url ?? listening.url
    const operator_mark = operatorMark({ secret, operator_token })
    const warnOfToken = createTokenWarning({ logEvent, operator_mark, data_dir: config.data_dir })

    const database = await openDatabase({
      uri: config.mongodb_uri,
      directory: `${config.data_dir}/database`,
      ...(database_name ? { name: database_name } : {}),
      onTrouble,
    })
    closers.push(() => database.close())
    const { connection } = database
    const applied = await migrate(connection, `${process.pid}@${config.host}:${config.port}`)
    if (applied.length > 0) logEvent('info', 'database.migrated', { applied })
    await refuseForeignSecret({ secret, data_dir: config.data_dir, constants: createConstants(connection) })

    const clockWatch = createClockWatch({ connection, clock, ...clockWarning(logEvent) })
    clockWatch.start()
    closers.push(clockWatch.close)

    const meter = createMeter()
    const audit = createAuditWriter({
      ...{ clock, meter: meter.audit, onTrouble },
      onAlert: ({ type, data: { agent_ids: _agent_ids, ...data }, ...named }) => {
        meter.audit.alert(type)
        logEvent('error', 'audit.alert', { ...named, event_type: type, ...data })
      },
    })
    const permissions = composePermissions({ connection, clock, onTrouble })
    closers.push(permissions.close)
    const identity = createIdentity({
      connection,
      clock,
      audit,
      settings: { secret, operator_token, public_url, password_cost, dev_mode: config.dev_mode },
      permissionRecords: permissions.uses.records,
      onTrouble,
    })
    await identity.start()
    closers.push(() => identity.close())
    const admission = createAdmission({
      ...{ authenticate: identity.authenticate, csrf: createCsrf(secret) },
      origins: originsOf(public_url, listening.url),
    })
    const addressOf = createClientAddress(config.trust_proxy)
    const watchDoor = createDoorWatch(audit)
    const onTurnedAway: DoorWatch = (turned_away) => {
      watchDoor(turned_away)
      permissions.turnedAway(turned_away)
    }
    const cluster = config.redis_url === undefined ? undefined : await joinOthers(config.redis_url, onTrouble)
    closers.push(() => cluster?.close())
    const fanOut = await provenFanOut(wanted, logEvent)
    const sockets = createSockets(listening.server, {
      ...{ clock, limits, logEvent, meter, fanOut, admit: admission.socket, addressOf, onTurnedAway, conformance: config.conformance },
      ...(ladder === undefined ? {} : { ladder }),
      ...(pings === undefined ? {} : { pings }),
      ...(cluster === undefined ? {} : { adapter: cluster.createAdapter }),
    })
    let ready = false
    const writes = createWriteGate({ isOpen: () => ready, proveAgain: identity.proveAgain })
    const features = await composeFeatures({
      connection,
      clock,
      limits,
      epoch: await readEpoch(connection),
      meter,
      ...{ node_id: randomUUID(), peers: cluster ?? noPeers, hasAudience: sockets.hasAudience },
      ...{ broadcastHere: sockets.broadcastHere, tellEventsHere: sockets.tellEventsHere, cut: sockets.cut },
      createPresence: cluster?.createPresence ?? createMemoryPresence,
      ...{ identity, permissions, settledWrites: writes.settledOf },
      onDeadLetter: (letter) => logEvent('error', 'dead_letter', { ...letter }),
      audit: {
        ...{ writer: audit, keys: createCheckpointKeys(secret), snapshotKey: deriveKey(secret, 'room-snapshot/1') },
        // Nobody else listens there, now or, as a rule, after a restart.
        owner: `${hostname()} ${listening.url}`,
        operator_mark,
        onOther: (other) => {
          beside?.onDatabase(other.owner)
          warnOfToken(other)
        },
        onCheckpoint: (checkpoint) =>
          logEvent(checkpoint.stream.startsWith('audit:') ? 'info' : 'debug', 'log.checkpoint', { ...checkpoint }),
      },
      onTrouble,
    })

    const started_at = isoTime(clock.now())
    const health = healthRoutes({
      version,
      dev_mode: config.dev_mode,
      started_at,
      database,
      connections: sockets.connections,
      metrics: meter.text,
      isReady: () => ready,
    })
    const documented = [...health, ...identity.routes, ...features.routes].map(writes.guard)
    const routes = [...documented, ...openApiRoutes({ routes: documented, rows: http, version, public_url })]
    listening.serve(
      composeHttp({
        ...{ routes, rows: http, connection, redis: cluster?.redis, secret, rates, addressOf, onTurnedAway, clock, logEvent, onTrouble },
        socket_origins: originsOf(public_url, listening.url).map((origin) => origin.replace(/^http/, 'ws')),
        dev_mode: config.dev_mode,
        identify: admission.request,
        cors_origins: config.cors_origins ?? [],
        is_https: public_url.startsWith('https:'),
        largest_body: limits.frame_bytes,
        most_depth: limits.input_depth,
      }),
    )
    meter.watch({
      written: fanOut.written,
      connections: sockets.connections,
      queued_bytes: sockets.queuedBytes,
      waiting_frames: features.waiting,
      held: features.held,
      dead_letters: features.deadLetters,
    })
    meter.audit.watch(audit.waiting)
    await features.start()
    sockets.open(features.receive)
    ready = true
    if (config.dev_mode)
      logEvent('warn', 'dev_mode.on', { fix: 'Unset DEV_MODE where people work: keys of this hub are no good elsewhere.' })
    if (config.conformance) logEvent('warn', 'conformance.on', { fix: 'Unset PARLEY_CONFORMANCE where people work.' })
    logEvent('info', 'hub.listening', {
      url: listening.url,
      public_url,
      version,
      database: database.kind,
      dev_mode: config.dev_mode,
      pid: process.pid,
    })

    closers.push(() => features.close())
    closers.push(permissions.tellRest)
    closers.push(() => sockets.close())
    return {
      url: listening.url,
      operator_token,
      routes: routes.map(({ method, path }) => `${method} ${path}`),
      close: async () => {
        ready = false
        // What was taken in is answered before anyone is sent away.
        sockets.shut()
        await writes.settled()
        await features.flush()
        await closeAll()
        logEvent('info', 'hub.closed', { pid: process.pid })
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** What cannot prove that its clients read the same as by `emit` is not used. */
async function provenFanOut(wanted: FanOut, logEvent: LogEvent): Promise<FanOut> {
  const fault = await proveFanOut(wanted)
  if (fault === undefined) return wanted
  logEvent('warn', 'fan_out.slow', { fault, fix: 'Use the versions of socket.io, engine.io and ws that package-lock.json names.' })
  return createEmitFanOut()
}

/** Redis is loaded only where it is asked for. */
async function joinOthers(redis_url: string, onTrouble: (what: string, cause: unknown) => void) {
  const [{ joinCluster }, { createRedisPresence }] = await Promise.all([
    import('../gateway/cluster/cluster.ts'),
    import('../features/rooms/presence/presence-redis.ts'),
  ])
  const cluster = joinCluster({ redis_url, onTrouble })
  const createPresence: CreatePresence = (needs) => createRedisPresence({ redis: cluster.redis, ...needs })
  return { ...cluster, createPresence }
}

/** The pages whose cookie counts: where the hub is said to be, and, on this machine, both spellings of it. */
function originsOf(public_url: string, listening_url: string): string[] {
  const { port } = new URL(listening_url)
  return [new URL(public_url).origin, new URL(listening_url).origin, `http://localhost:${port}`, `http://127.0.0.1:${port}`]
}
