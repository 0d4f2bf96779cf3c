import { randomUUID } from 'node:crypto'
import { io, type Socket } from 'socket.io-client'
import type { FrameAck, FrameInput, FrameType, Permissions, Push, PushType, Refusal, WireEvent } from '../../shared/protocol/index.ts'
import type { TestHub } from './hub.ts'

type Reach = Pick<TestHub, 'url' | 'operator_token'>

export interface Person {
  id: string
  /** What it signs in with: an API key or an access token. */
  auth: { key: string } | { token: string }
  bearer: string
}

export async function api<T>(
  hub: Reach,
  method: string,
  path: string,
  { body, bearer }: { body?: unknown; bearer?: string } = {},
): Promise<{ status: number; body: T; headers: Headers }> {
  const response = await fetch(hub.url + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  // Lines of JSON are no JSON.
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, body: (isJson ? JSON.parse(text) : text) as T, headers: response.headers }
}

export async function registerAgent(hub: Reach, name = 'Scribe'): Promise<Person> {
  const { body } = await api<{ agent_id: string; api_key: string }>(hub, 'POST', '/agents', { body: { name } })
  return { id: body.agent_id, auth: { key: body.api_key }, bearer: body.api_key }
}

export async function signUp(hub: Reach, roles: string[] = ['requester'], name = 'Ada'): Promise<Person> {
  const email = `${randomUUID()}@parley.invalid`
  const password = `pass-${randomUUID()}`.slice(0, 40)
  const { body } = await api<{ user_id: string }>(hub, 'POST', '/users', {
    body: { email, name, password, roles },
    bearer: hub.operator_token,
  })
  const session = await api<{ access_token: string }>(hub, 'POST', '/sessions', { body: { email, password } })
  return { id: body.user_id, auth: { token: session.body.access_token }, bearer: session.body.access_token }
}

/** A contract between a requester and an agent, all three new unless given. */
export async function openContract(hub: Reach, given: { requester?: Person; provider?: Person; permissions?: Partial<Permissions> } = {}) {
  const requester = given.requester ?? (await signUp(hub))
  const provider = given.provider ?? (await registerAgent(hub))
  const body = {
    title: 'Sort the archive',
    requester_id: requester.id,
    provider_id: provider.id,
    ...(given.permissions ? { permissions: given.permissions } : {}),
  }
  const opened = await api<{ contract_id: string }>(hub, 'POST', '/contracts', { body, bearer: hub.operator_token })
  if (opened.status !== 201) throw new Error(`no contract: ${JSON.stringify(opened.body)}`)
  return { contract_id: opened.body.contract_id, requester, provider }
}

export type Acked<T extends FrameType> = ({ ok: true } & FrameAck<T>) | { ok: false; error: Refusal }

/** A bare Socket.IO client that keeps everything it was told. */
export interface Client {
  socket: Socket
  /** Sends a frame and answers its acknowledgement as it came. */
  ask<T extends FrameType>(type: T, payload: FrameInput<T>): Promise<Acked<T>>
  /** The same for what no client should send. */
  askRaw(type: string, ...payload: unknown[]): Promise<Acked<'typing'>>
  /** Sends a frame that must succeed. */
  must<T extends FrameType>(type: T, payload: FrameInput<T>): Promise<{ ok: true } & FrameAck<T>>
  told: { type: string; payload: unknown }[]
  /** The first push of the type, now or later, that fits. */
  next<T extends PushType>(type: T, fits?: (payload: Push<T>) => boolean): Promise<Push<T>>
  /** The events of a contract so far, in the order of arrival. */
  events(contract_id: string): WireEvent[]
  /** Resolves with the event of the type, now or later. */
  event(contract_id: string, type: string, fits?: (event: WireEvent) => boolean): Promise<WireEvent & { data: Record<string, unknown> }>
  close(): void
}

// A busy machine starts a process or hashes a password in ten seconds. Below what mocha gives a test, so that the wait says what it waited for.
const PATIENCE_MS = 45_000

export async function connectAs(
  hub: Pick<Reach, 'url'>,
  { auth }: Pick<Person, 'auth'>,
  options: Record<string, unknown> = {},
): Promise<Client> {
  const client = openClient(hub, auth, options)
  const refused = Promise.withResolvers<never>()
  client.socket.once('connect_error', refused.reject)
  // A hub that goes away between the handshake and the namespace says neither yes nor no.
  const onLost = () => refused.reject(new Error('the connection was lost while it was made'))
  client.socket.once('disconnect', onLost)
  try {
    await Promise.race([refused.promise, new Promise<void>((resolve) => client.socket.once('connect', resolve))])
    return client
  } catch (error) {
    client.close()
    throw error
  } finally {
    client.socket.off('disconnect', onLost)
  }
}

export function openClient({ url }: Pick<Reach, 'url'>, auth: object, options: Record<string, unknown> = {}): Client {
  const socket = io(`${url}/rooms`, { auth, transports: ['websocket'], forceNew: true, reconnection: false, ...options })
  const told: Client['told'] = []
  const watchers = new Set<() => void>()
  socket.onAny((type: string, ...args: unknown[]) => {
    told.push({ type, payload: args[0] })
    for (const watch of [...watchers]) watch()
  })

  function find<T>(look: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const watch = () => {
        const found = look()
        if (found === undefined) return
        watchers.delete(watch)
        clearTimeout(timer)
        resolve(found)
      }
      const timer = setTimeout(() => {
        watchers.delete(watch)
        reject(new Error(`waited in vain for ${what}; was told ${JSON.stringify(told.slice(-15)).slice(0, 3_000)}`))
      }, PATIENCE_MS)
      // Of two things that are waited for together one may never come: it must not keep the run from ending.
      timer.unref()
      watchers.add(watch)
      watch()
    })
  }

  const pushesOf = (type: string) => told.filter((one) => one.type === type).map(({ payload }) => payload)
  const events = (contract_id: string) =>
    (pushesOf('events') as Push<'events'>[]).filter((batch) => batch.contract_id === contract_id).flatMap((batch) => batch.events)
  const askRaw = (type: string, ...payload: unknown[]) => socket.timeout(PATIENCE_MS).emitWithAck(type, ...payload)

  return {
    ...{ socket, told, events, askRaw },
    ask: (type, payload) => askRaw(type, payload) as never,
    must: async (type, payload) => {
      const answer = await askRaw(type, payload)
      if (!answer.ok) throw new Error(`${type} was refused: ${JSON.stringify(answer.error)}`)
      return answer as never
    },
    next: (type, fits = () => true) => find(() => (pushesOf(type) as never[]).find(fits), `the push ${type}`) as never,
    event: (contract_id, type, fits = () => true) =>
      find(() => events(contract_id).find((event) => event.type === type && fits(event)), `the event ${type}`) as never,
    close: () => socket.close(),
  }
}

/** An agent that said hello, with the tools registered. */
export async function connectAgent(
  hub: Reach,
  agent: Person,
  tools: FrameInput<'agent.tools.register'>['tools'] = [],
): Promise<Client & { session_id: string }> {
  const client = await connectAs(hub, agent)
  const { session_id } = await client.must('agent.hello', { protocol: 1, agent: { name: 'scribe', version: '1.0.0' } })
  if (tools.length > 0) await client.must('agent.tools.register', { tools })
  return { ...client, session_id }
}
