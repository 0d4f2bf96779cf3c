import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import mongoose, { type Connection } from 'mongoose'
import { composeHub, type Hub } from '../../../server/compose.ts'
import { readConfig } from '../../../server/config.ts'
import { systemClock } from '../../../server/core/clock.ts'
import { createIdentity, type IdentitySettings } from '../../../server/features/identity/index.ts'
import { createLogger } from '../../../server/gateway/logger.ts'
import { noAudit } from '../../../server/pipeline/audit.ts'
import { createManualClock } from '../../harness/clock.ts'
import { testDatabase } from '../../harness/hub.ts'
import { wideRates } from '../../harness/wide-rates.ts'

export type Json = Record<string, unknown>

export interface Answer {
  status: number
  headers: Headers
  body: Json
}

export interface Credentials {
  bearer?: string
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
export async function startIdentityHub() {
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
  const startOne = () => composeHub({ config, logEvent, clock, database_name })
  const hubs: [Hub, ...Hub[]] = [await startOne()]
  const connection = await mongoose.createConnection(mongodb_uri, { dbName: database_name }).asPromise()
  let people = 0

  async function ask(method: string, path: string, { body, bearer, cookie }: Credentials & { body?: unknown } = {}): Promise<Answer> {
    const [{ url }] = hubs
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(cookie === undefined ? {} : { cookie, origin: url }),
    }
    const answer = await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const text = await answer.text()
    // The cast holds: every answer of the hub is an object, or empty.
    return { status: answer.status, headers: answer.headers, body: text === '' ? {} : (JSON.parse(text) as Json) }
  }

  const post = (path: string, body: unknown, as: Credentials = {}) => ask('POST', path, { body, ...as })
  const operator: Credentials = { bearer: OPERATOR_TOKEN }
  const newEmail = () => `person-${++people}@example.org`

  async function newUser({ email = newEmail(), password = PASSWORD } = {}): Promise<Answer & { email: string; user_id: string }> {
    const made = await post('/users', { email, name: 'Ann', password, roles: ['requester'] }, operator)
    return { ...made, email, user_id: String(made.body['user_id']) }
  }

  const signIn = (email: string, password = PASSWORD) => post('/sessions', { email, password })
  const redeem = (token: unknown) => post('/sign-in-links/redeem', { token })

  async function newLink(): Promise<string> {
    const { body } = await post('/sign-in-links', {}, operator)
    return String(body['url']).split('#token=')[1] ?? ''
  }

  return {
    ...{ ask, post, operator, newEmail, newUser, signIn, redeem, newLink, clock, connection, logged },
    me: (bearer: unknown) => ask('GET', '/me', { bearer: String(bearer) }),
    newAgent: async (as: Credentials = {}) => (await post('/agents', { name: 'Ada' }, as)).body,
    signedIn: async (email: string): Promise<Credentials> => ({ bearer: String((await signIn(email)).body['access_token']) }),
    newCookie: async () => (await redeem(await newLink())).headers.get('set-cookie')?.split(';')[0] ?? '',

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
  const usual = { secret: SECRET, operator_token: OPERATOR_TOKEN, public_url: 'http://127.0.0.1:6767', dev_mode: false }
  return createIdentity({ connection, clock: systemClock, audit: noAudit, settings: { ...usual, ...settings }, onTrouble: () => {} })
}

/** What a key ends with: the CRC-32 of the rest, in base62. */
export function withCheck(body: string): string {
  const value = crc32(body)
  return body + Array.from({ length: 6 }, (_, place) => BASE62[Math.floor(value / 62 ** (5 - place)) % 62]).join('')
}
