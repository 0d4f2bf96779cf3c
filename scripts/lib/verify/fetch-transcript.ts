import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { pauseOf } from '../../../client/sdk/pause-of.ts'
import { type Checkpoint, type CheckpointKey, checkpointKeySchema, checkpointSchema } from '../../../shared/protocol/index.ts'
import type { Transcript } from './verify-transcript.ts'

const PAGE = 500
const ASK_MS = 30_000
/** Where a refusal does not say how long. */
const SHORT_PAUSE_MS = 1_000

const pageSchema = z.object({ events: z.array(z.unknown()), head: z.int() })
const checkpointsSchema = z.object({ items: z.array(checkpointSchema) })
const keysSchema = z.object({ keys: z.array(checkpointKeySchema) })

/** A whole log, page by page, with its checkpoints, from a contract's address on a hub. Throws a sentence that says what to do when the hub gives none. */
export async function fetchTranscript(address: string, token: string | undefined): Promise<Transcript> {
  const contract_id = /\/contracts\/([^/?#]+)\/?$/.exec(address)?.[1]
  if (contract_id === undefined) throw new Error(`${address} is no contract's address: write http://127.0.0.1:6767/contracts/<contract_id>`)
  const room = address.replace(/\/$/, '')
  const bearer = need(token)
  // Before the events: a place that is signed meanwhile may lie behind those that are fetched.
  const checkpoints = await fetchCheckpoints(room, bearer)
  const events: unknown[] = []
  for (;;) {
    const page = pageSchema.parse(await fetchJson(`${room}/events?after=${events.length}&limit=${PAGE}`, bearer))
    events.push(...page.events)
    if (page.events.length === 0 || events.length >= page.head) break
  }
  return { contract_id, events, checkpoints, keys: await fetchKeys(address) }
}

/** All of them: the newest vouch for the log's end, and a room that goes on for weeks has more than a page. */
async function fetchCheckpoints(room: string, bearer: string): Promise<Checkpoint[]> {
  const checkpoints: Checkpoint[] = []
  for (;;) {
    const after = checkpoints.at(-1)?.seq ?? 0
    const { items } = checkpointsSchema.parse(await fetchJson(`${room}/log/checkpoints?after=${after}`, bearer))
    checkpoints.push(...items)
    if (items.length === 0) return checkpoints
  }
}

/** The hub's public keys. */
export async function fetchKeys(address: string): Promise<CheckpointKey[]> {
  return keysSchema.parse(await fetchJson(new URL('/audit/keys', address).href, undefined)).keys
}

/** The lines of the audit trail, as they come, from the trail's address on a hub. */
export async function fetchExport(address: string, token: string | undefined): Promise<Readable> {
  const response = await ask(`${address.replace(/\/$/, '')}/export`, need(token))
  // The cast holds: it is the same stream, which the DOM's types and Node's name apart.
  if (response.ok && response.body !== null) return Readable.fromWeb(response.body as never)
  throw new Error(refusalOf(response.status, await response.json().catch(() => undefined))) // what is no JSON gave no reason
}

function need(token: string | undefined): string {
  if (token) return token
  throw new Error('PARLEY_TOKEN is not set: set it to an access token, a key, or what operator.token in the data directory holds')
}

async function fetchJson(url: string, token: string | undefined): Promise<unknown> {
  const response = await ask(url, token, AbortSignal.timeout(ASK_MS))
  const body: unknown = await response.json().catch(() => undefined) // what is no JSON is refused below
  if (response.ok) return body
  if (response.status === 429) {
    await delay(pauseOf(response.headers.get('retry-after')) ?? SHORT_PAUSE_MS)
    return fetchJson(url, token)
  }
  throw new Error(refusalOf(response.status, body))
}

async function ask(url: string, token: string | undefined, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return fetch(url, { headers, ...(signal === undefined ? {} : { signal }) }).catch((cause: Error) => {
    throw new Error(`${new URL(url).origin} gives no answer (${cause.cause instanceof Error ? cause.cause.message : cause.message})`)
  })
}

function refusalOf(status: number, body: unknown): string {
  const said = z.object({ detail: z.string().optional(), title: z.string(), fix: z.string() }).safeParse(body).data
  return `the hub answered ${status}: ${said === undefined ? 'it gave no reason' : `${said.detail ?? said.title}. ${said.fix}`}`
}
