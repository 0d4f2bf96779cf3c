import { hash } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { errors, ParleyError } from '../../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../../shared/rules/canonical-json.ts'
import type { Clock } from '../../../core/clock.ts'
import { networkOf } from '../../../core/network-of.ts'
import type { Route, RouteAnswer, RouteRequest } from '../../../pipeline/http/route.ts'
import type { IdempotencyStore, KeptAnswer } from './idempotency-store.ts'

/** What of an answer's headers a replay has too. A cookie is a secret. */
const KEPT_HEADERS = ['Location', 'ETag', 'Cache-Control']

// A structured string (RFC 9651), as the draft wants it, or the same characters without quotes, as everyone sends them.
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"$/
const BARE = /^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,255}$/

/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) on a POST: the same request again gets the first answer, and does
 * nothing. A refusal is not kept, for nothing happened. When the hub dies between the effect and the keeping of its answer, the next
 * try does the work again with the same `new_id`: a route that makes something under that id finds what is there.
 */
export function createIdempotency({
  store,
  clock,
  onTrouble,
}: {
  store: IdempotencyStore
  clock: Clock
  onTrouble(what: string, cause: unknown): void
}) {
  return async function handleOnce(route: Route, asked: Omit<RouteRequest, 'new_id' | 'again'>): Promise<RouteAnswer> {
    const key = route.method === 'POST' && route.replay !== 'never' ? keyOf(asked.headers['idempotency-key']) : undefined
    if (key === undefined) return route.handle({ ...asked, new_id: uuidv7({ msecs: clock.now() }), again: false })
    const scope = canonicalJson([subjectOf(asked), route.method, asked.path, key])
    const begun = await store.begin({ scope, payload: canonicalJson([asked.query, asked.body ?? null]) })
    if (begun.kind === 'replay') return replayOf(begun.answer)
    const new_id = uuidv7({ msecs: begun.made_at_ms, random: hash('sha256', `new id ${scope}`, 'buffer').subarray(0, 16) })
    try {
      const answer = await route.handle({ ...asked, new_id, again: begun.again })
      await store
        .keep(begun.held_by, scope, keptOf(route, answer))
        .catch((cause) => onTrouble('an answer could not be kept for its key', cause))
      return answer
    } catch (error) {
      const ended = isRefused(error) ? store.forget(begun.held_by, scope) : store.letGo(begun.held_by, scope)
      await ended.catch((cause) => onTrouble('a key could not be let go', cause))
      throw error
    }
  }
}

function keyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  const text = String(header).trim()
  const quoted = QUOTED.exec(text)?.[1]?.replaceAll(/\\(["\\])/g, '$1')
  const key = quoted ?? (BARE.test(text) ? text : undefined)
  if (key !== undefined) return key
  const detail = 'Idempotency-Key takes one key of at most 255 visible characters, in quotes or without'
  throw new ParleyError('REQUEST_INVALID', { errors: [{ pointer: '', detail }] })
}

function subjectOf({ principal, ip }: Pick<RouteRequest, 'principal' | 'ip'>): string {
  return principal === undefined ? `address:${networkOf(ip)}` : `${principal.kind}:${principal.id}`
}

/** Without what is shown only once. */
function keptOf({ replay }: Route, { status, headers = {}, body, etag }: RouteAnswer): KeptAnswer {
  const all: Record<string, string> = { ...headers, ...(etag === undefined ? {} : { ETag: etag }) }
  const kept = Object.fromEntries(Object.entries(all).filter(([name]) => KEPT_HEADERS.includes(name)))
  if (body === undefined) return { status, headers: kept, body: null }
  const secrets: readonly string[] = typeof replay === 'object' ? replay.without : []
  const shown = Object.entries(body as object).filter(([name]) => !secrets.includes(name))
  return { status, headers: kept, body: JSON.stringify(Object.fromEntries(shown)) }
}

function replayOf({ status, headers, body }: KeptAnswer): RouteAnswer {
  return { status, headers: { ...headers, 'Idempotent-Replayed': 'true' }, ...(body === null ? {} : { body: JSON.parse(body) as unknown }) }
}

/** Refused before anything was done. A 5xx says that nobody knows. */
function isRefused(error: unknown): boolean {
  return error instanceof ParleyError && errors[error.code].status < 500
}
