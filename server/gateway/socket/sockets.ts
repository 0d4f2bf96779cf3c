import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { type Namespace, Server, type Socket } from 'socket.io'
import type { Adapter } from 'socket.io-adapter'
import { v4 as uuid } from 'uuid'
import { closeCodes, type Limits, type Refusal, type Scope } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import { hasScope, pushScopes } from '../../core/access/scopes.ts'
import type { Clock } from '../../core/clock.ts'
import type { DoorWatch } from '../../pipeline/door-watch.ts'
import type { Receive } from '../../pipeline/receive.ts'
import type { Broadcast, Session, TellEvents } from '../../pipeline/session.ts'
import { backlogOf } from '../delivery/backlog.ts'
import type { FanOut } from '../delivery/fan-out.ts'
import { measuredParser, NAMESPACE, openParser } from '../delivery/measured-parser.ts'
import { createSlowConsumers, defaultLadder, type Ladder } from '../delivery/slow-consumers.ts'
import type { LogEvent } from '../logger.ts'
import type { Meter } from '../meter.ts'
import { refusalOf } from '../problem.ts'
import { addEchoes, conformanceOptions } from './conformance.ts'
import { createCredentialCut } from './credential-cut.ts'
import { createCrowd } from './crowd.ts'
import { createDoor } from './frame-door.ts'
import { createFrameLimits } from './frame-limits.ts'
import { createSocketSession } from './socket-session.ts'

/** Whoever it is, and until when its credentials hold. */
export interface Admission {
  principal: Principal
  expires_at_ms: number | null
}

export interface Pings {
  every_ms: number
  patience_ms: number
}

export interface SocketDeps {
  clock: Clock
  limits: Limits
  logEvent: LogEvent
  meter: Meter
  fanOut: FanOut
  ladder?: Ladder
  /** Joins this node to others; without it there is one. */
  adapter?: (nsp: Namespace) => Adapter
  /** How often a connection is asked for a sign of life, and how long it may take over it; Socket.IO's own times when left out. */
  pings?: Pings
  /** For protocol test suites. */
  conformance?: boolean | undefined
  /** Throws UNAUTHENTICATED. */
  admit(handshake: { auth: unknown; cookie: string | undefined; origin: string | undefined }): Promise<Admission>
  addressOf(request: IncomingMessage): string
  /** Hears of every handshake and frame that was refused. */
  onTurnedAway: DoorWatch
}

/** Above the largest frame, so that a frame which is too large is refused and its socket lives. */
const LARGEST_MESSAGE = 1_048_576
const DRAIN_SLICE = 200
const DRAIN_SPREAD_MS = 1_000
// A client that does not read must not keep the others from being sent away.
const DRAIN_PATIENCE_MS = 500

/** The Socket.IO side of the hub. It knows sockets and frames, and no feature. */
export function createSockets(http: HttpServer, deps: SocketDeps) {
  const { clock, limits, logEvent, meter, fanOut } = deps
  const frameLimits = createFrameLimits({ limits, clock })
  const slowConsumers = createSlowConsumers({ clock, ladder: deps.ladder ?? defaultLadder, meter })
  const crowd = createCrowd({ limits, addressOf: deps.addressOf, meter })
  const io = new Server(http, {
    maxHttpBufferSize: LARGEST_MESSAGE,
    serveClient: false,
    ...(deps.adapter === undefined ? {} : { adapter: deps.adapter as never }),
    parser: deps.conformance ? openParser : measuredParser,
    allowRequest: (request, answer) => answer(null, crowd.mayKnock(request)),
    transports: ['websocket', 'polling'],
    // Nothing is served to other origins; a browser elsewhere cannot even poll.
    cors: { origin: false },
    ...(deps.pings ? { pingInterval: deps.pings.every_ms, pingTimeout: deps.pings.patience_ms } : {}),
    ...(deps.conformance ? conformanceOptions : {}),
  })
  if (deps.conformance) addEchoes(io)
  const rooms = io.of(NAMESPACE)
  const sessions = new Map<string, Session>()
  const cut = createCredentialCut({
    sessions,
    membersOf: (audience) => rooms.adapter.rooms.get(audience) ?? [],
    audiencesOf: (id) => rooms.adapter.sids.get(id) ?? [],
  })
  let receive: Receive | undefined
  const door = createDoor({
    ...{ limits, frameLimits, fanOut, meter, logEvent, onTurnedAway: deps.onTurnedAway },
    ...{ isOverloaded: slowConsumers.isOverloaded, receive: () => receive },
  })

  io.engine.on('connection', (conn: { request: IncomingMessage; once(event: 'close', run: () => void): void }) => {
    conn.request = keptOf(conn.request)
    conn.once('close', crowd.enter(conn.request))
  })

  rooms.use((socket, next) => {
    const { auth, headers } = socket.handshake
    const ip = deps.addressOf(socket.request)
    admit(ip, { auth, cookie: headers.cookie, origin: headers.origin }).then(
      (admission) => {
        socket.data = admission
        logEvent('debug', 'socket.admitted', { ip, principal_id: admission.principal.id })
        next()
      },
      (error: unknown) => {
        const refused = asConnectError(error)
        const { correlation_id } = refused.data
        logEvent('debug', 'socket.refused', { ip, code: refused.message, correlation_id })
        const shown = Object.keys(auth).length > 0 || headers.cookie !== undefined
        deps.onTurnedAway({ error, door: 'handshake', principal: undefined, shown, ip, correlation_id })
        next(refused)
      },
    )
  })

  async function admit(ip: string, handshake: Parameters<SocketDeps['admit']>[0]): Promise<Admission> {
    crowd.refuseWhenFull(ip)
    for (;;) {
      const { hasNewsOf } = cut.listen()
      const admission = await deps.admit(handshake)
      if (!hasNewsOf(admission.principal)) return admission
    }
  }

  rooms.on('connection', (socket) => {
    const { principal, expires_at_ms } = socket.data as Admission
    forget(socket)
    const session = createSocketSession(socket, { principal, clock, meter, fanOut, hasEnded: cut.hasEnded })
    sessions.set(session.id, session)
    slowConsumers.add(session, backlogOf(socket))
    session.onClose(() => {
      sessions.delete(session.id)
      slowConsumers.remove(session)
    })
    session.expireAt(expires_at_ms)
    door.open(socket, session)
    cut.closeIfEnded(session)
  })

  const broadcastHere: Broadcast = (audience, type, payload) => {
    const all = takersOf(audience, { isEvent: false, lag: () => {} })
    const scope = pushScopes[type]
    const takers = scope === undefined ? all : all.filter(({ id }) => mayHear(sessions.get(id), scope))
    if (takers.length > 0) fanOut.tell(takers, type, JSON.stringify(payload))
  }

  const tellEventsHere: TellEvents = (audiences, { contract_id, last, json }) => {
    const takers = audiences.flatMap((audience) => {
      // No more events for this one, until it joins again from where it is.
      const lag = (session: Session) => {
        session.exit(audience)
        session.send('lagging', { contract_id, head: last })
      }
      return takersOf(audience, { isEvent: true, lag })
    })
    if (takers.length > 0) fanOut.tell(takers, 'events', json)
  }

  /** The connections of this node, but for those that do not keep up. An audience that nobody is in costs no encoding. */
  function takersOf(audience: string, what: { isEvent: boolean; lag(session: Session): void }): Socket[] {
    const takers: Socket[] = []
    for (const id of rooms.adapter.rooms.get(audience) ?? []) {
      const socket = rooms.sockets.get(id)
      if (socket !== undefined && slowConsumers.takes(id, what)) takers.push(socket)
    }
    return takers
  }

  /** Sends everyone away, in slices and each with a pause of its own, so that they do not all come back at once; then closes. */
  async function close(): Promise<void> {
    slowConsumers.close()
    const all = [...sessions.values()]
    for (let at = 0; at < all.length; at += DRAIN_SLICE) {
      const slice = all.slice(at, at + DRAIN_SLICE)
      for (const session of slice) {
        const retry_after_ms = Math.round(Math.random() * DRAIN_SPREAD_MS)
        session.send('closing', { code: closeCodes.GOING_AWAY, retry_after_ms, reason: 'The hub is going away' })
        meter.closing(closeCodes.GOING_AWAY)
      }
      const drained = Promise.all(slice.map((session) => session.drained()))
      await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, DRAIN_PATIENCE_MS).unref())])
    }
    await io.close()
  }

  return {
    broadcastHere,
    tellEventsHere,
    cut,
    /** Whether a connection of this node is in the audience. */
    hasAudience: (audience: string) => rooms.adapter.rooms.has(audience),
    close,
    queuedBytes: slowConsumers.queuedBytes,
    /** From here on every frame is UNAVAILABLE; those under way are still answered. */
    shut: () => {
      receive = undefined
    },
    connections: () => sessions.size,
    /** Opens the door: before, every frame is UNAVAILABLE. */
    open: (door: Receive) => {
      receive = door
    },
  }
}

export type Sockets = ReturnType<typeof createSockets>

/** What is still asked of a connection's request once it is open: the cookie and the address, should the client knock again on it. */
function keptOf({ headers: { cookie, origin, 'x-forwarded-for': forwarded }, socket, url }: IncomingMessage): IncomingMessage {
  const headers = {
    ...(cookie === undefined ? {} : { cookie }),
    ...(origin === undefined ? {} : { origin }),
    ...(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }),
  }
  // The cast holds for what reads it: Socket.IO's handshake, the admission and the address of a client, and all of them only these.
  return { headers, socket, connection: socket, url } as IncomingMessage
}

/** The proof was shown and is no longer needed: a connection keeps neither its credentials nor its headers. */
function forget(socket: Socket): void {
  socket.data = undefined
  const spent: { handshake: unknown } = socket
  spent.handshake = nothing
  // A room of its own, by which nobody is told anything.
  void socket.leave(socket.id)
}

const nothing = Object.freeze({})

function mayHear(session: Session | undefined, scope: Scope): boolean {
  return session !== undefined && hasScope(session.principal, scope)
}

function asConnectError(error: unknown): Error & { data: Refusal } {
  const { refusal } = refusalOf(error, uuid())
  return Object.assign(new Error(refusal.code), { data: refusal })
}
