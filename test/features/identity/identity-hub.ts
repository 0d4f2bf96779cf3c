import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import mongoose, { type Connection } from 'mongoose'
import { composeHub, type Hub } from '../../../server/compose/compose-hub.ts'
import { systemClock } from '../../../server/core/clock.ts'
import { createIdentity, type IdentitySettings } from '../../../server/features/identity/index.ts'
import { createLogger } from '../../../server/gateway/logger.ts'
import { noAudit } from '../../../server/pipeline/audit.ts'
import { readConfig } from '../../../server/settings/config.ts'
import { createManualClock } from '../../harness/clock.ts'
import { csrfOf } from '../../harness/csrf-of.ts'
import { CHEAP_PASSWORDS, testDatabase } from '../../harness/hub.ts'
import { wideRates } from '../../harness/wide-rates.ts'

export type Json = Record<string, unknown>

export interface Answer {
  status: number
  headers: Headers
  body: Json
}

export interface Credentials {
  bearer?: string
  /** The loopback address to come from: another network, as the hub sees it. */
  from?: string
  /** Another hub on the same database. */
  at?: Pick<Hub, 'url'>
  agent?: string
  /** Sent with the hub's own Origin, as a browser does. */
  cookie?: string
}

export const PASSWORD = 'correct horse battery'
export const SECRET = 'a secret that only this test knows, of enough bytes'
export const MINUTE_MS = 60_000
export const DAY_MS = 86_400_000
export const NOBODY = '00000000-0000-7000-8000-000000000000'

const OPERATOR_TOKEN = 'op_a-token-that-only-this-test-knows'
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

export type IdentityHub = Awaited<ReturnType<typeof startIdentityHub>>

/** A whole hub with a clock moved by hand, a known secret and its whole log, and what one asks of its identity. */
export async function startIdentityHub({ dear_passwords = false } = {}) {
  const mongodb_uri = await testDatabase()
  const database_name = `identity_${randomUUID().slice(0, 8)}`
  const data_dir = mkdtempSync(join(tmpdir(), 'parley-identity-'))
  // Not in the past: the database sweeps rows whose time is over by its own clock.
  const clock = createManualClock(systemClock.now())
  const logged: string[] = []
  const logEvent = createLogger({ level: 'trace', destination: { write: (line) => void logged.push(line) } })
  const config = readConfig({
    PARLEY_PORT: '0',
    PARLEY_DATA_DIR: data_dir,
    PARLEY_SECRET: SECRET,
    PARLEY_OPERATOR_TOKEN: OPERATOR_TOKEN,
    MONGODB_URI: mongodb_uri,
    PARLEY_RATES: JSON.stringify(wideRates),
  })
  const cost = dear_passwords ? {} : { password_cost: CHEAP_PASSWORDS }
  const startOne = () => composeHub({ config, logEvent, clock, database_name, ...cost })
  const hubs: [Hub, ...Hub[]] = [await startOne()]
  const connection = await mongoose.createConnection(mongodb_uri, { dbName: database_name }).asPromise()
  let people = 0

  async function ask(method: string, path: string, given: Credentials & { body?: unknown; match?: string } = {}): Promise<Answer> {
    const { body, bearer, cookie, from, at, agent, match } = given
    const url = at?.url ?? hubs[0].url
    const isWrite = method !== 'GET' && method !== 'HEAD'
    const csrf = cookie !== undefined && isWrite ? await csrfOf(url, cookie) : undefined
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(cookie === undefined ? {} : { cookie, origin: hubs[0].url }),
      ...(csrf === undefined ? {} : { 'x-csrf-token': csrf }),
      ...(agent === undefined ? {} : { 'user-agent': agent }),
      ...(match === undefined ? {} : { 'if-match': match }),
    }
    const asked = request(url + path, { method, headers, agent: false, ...(from === undefined ? {} : { localAddress: from }) })
    asked.end(body === undefined ? undefined : JSON.stringify(body))
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    const content = await text(answer)
    const told = new Headers(Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)])))
    // The cast holds: every answer of the hub is an object, or empty.
    return { status: answer.statusCode ?? 0, headers: told, body: content === '' ? {} : (JSON.parse(content) as Json) }
  }

  const post = (path: string, body: unknown, as: Credentials = {}) => ask('POST', path, { body, ...as })
  const operator: Credentials = { bearer: OPERATOR_TOKEN }
  const newEmail = () => `person-${++people}@example.org`

  async function newUser({ email = newEmail(), password = PASSWORD } = {}): Promise<Answer & { email: string; user_id: string }> {
    const made = await post('/users', { email, name: 'Ann', password, roles: ['requester'] }, operator)
    return { ...made, email, user_id: String(made.body['user_id']) }
  }

  const signIn = (email: string, password = PASSWORD, as: Credentials = {}) => post('/sessions', { email, password }, as)
  const cookieIn = ({ headers }: Answer) => headers.get('set-cookie')?.split(';')[0] ?? ''
  const redeem = (token: unknown) => post('/sign-in-links/redeem', { token })

  async function newLink(): Promise<string> {
    const { body } = await post('/sign-in-links', {}, operator)
    return String(body['url']).split('#token=')[1] ?? ''
  }

  return {
    ...{ ask, post, operator, newEmail, newUser, signIn, redeem, newLink, cookieIn, clock, connection, logged },
    url: hubs[0].url,
    routes: hubs[0].routes,
    me: (bearer: unknown) => ask('GET', '/me', { bearer: String(bearer) }),
    newAgent: async (as: Credentials = {}) => (await post('/agents', { name: 'Ada' }, as)).body,
    signedIn: async (email: string): Promise<Credentials> => ({ bearer: String((await signIn(email)).body['access_token']) }),
    newCookie: async () => cookieIn(await redeem(await newLink())),

    /** More hubs on the same database, all at once. */
    async startMore(count: number): Promise<Hub[]> {
      const more = await Promise.all(Array.from({ length: count }, startOne))
      hubs.push(...more)
      return more
    },

    async close(): Promise<void> {
      await Promise.all(hubs.map((hub) => hub.close()))
      await connection.dropDatabase()
      await connection.close()
      rmSync(data_dir, { recursive: true, force: true })
    },
  }
}

/** Identity with a database that never answers: whatever asks it, waits no longer than a moment and fails. */
export function identityWithoutDatabase(settings: Partial<IdentitySettings>) {
  const connection: Connection = mongoose.createConnection()
  connection.config.bufferTimeoutMS = 20
  const usual = { secret: SECRET, operator_token: OPERATOR_TOKEN, public_url: 'http://127.0.0.1:6767' }
  return createIdentity({
    ...{
      connection,
      clock: systemClock,
      audit: noAudit,
      settings: { ...usual, password_cost: CHEAP_PASSWORDS, dev_mode: false, ...settings },
      onTrouble: () => {},
    },
    permissionRecords: () => Promise.reject(new Error('nobody asks for permissions here')),
  })
}

/** What a key ends with: the CRC-32 of the rest, in base62. */
export function withCheck(body: string): string {
  const value = crc32(body)
  return body + Array.from({ length: 6 }, (_, place) => BASE62[Math.floor(value / 62 ** (5 - place)) % 62]).join('')
}
