import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Request, Response } from 'express'
import { z } from 'zod'
import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import type { Clock } from '../../core/clock.ts'
import { isFresh, requireSame } from '../../pipeline/http/conditional.ts'
import { requireAccess } from '../../pipeline/http/require-access.ts'
import type { Route, RouteAnswer } from '../../pipeline/http/route.ts'
import { parse } from '../../pipeline/parse.ts'
import type { Identified } from '../admission.ts'
import { correlationOf } from './correlate.ts'
import type { HttpDeps } from './create-http.ts'
import { createIdempotency } from './idempotency/idempotency.ts'
import { createRateGate } from './rate-gate.ts'
import { createReadBody } from './read-body.ts'
import { readQuery } from './read-query.ts'

/** A reader of a long answer who takes nothing for so long has left, or means to hold it open. */
const LONGEST_PAUSE_MS = 60_000

/** What comes to a route that reads no body: nothing would be done with it, and nobody would know. */
const noBody = z.strictObject({}).optional()

/** Who asks, as far as it is known yet. */
interface Asked {
  ip: string
  principal: Principal | undefined
}

/** One request on its route: who asks, how often, with what; then the route's own answer. */
export function createAnswerRoute(deps: HttpDeps) {
  const readBody = createReadBody(deps)
  const takeRate = createRateGate(deps)
  const handleOnce = createIdempotency({ store: deps.idempotencyStore, clock: deps.clock, onTrouble: deps.onTrouble })

  return async function answerRoute(route: Route, request: Request, response: Response): Promise<void> {
    const asked: Asked = { ip: deps.addressOf(request), principal: undefined }
    try {
      await carryOut(route, { request, response }, asked)
    } catch (error) {
      const door = `${route.method} ${route.path}`
      const subject = { type: subjectOf(route), id: request.params['id'] }
      const shown = request.headers.authorization !== undefined || request.headers.cookie !== undefined
      deps.onTurnedAway({ error, door, ...asked, shown, correlation_id: correlationOf(response), subject })
      throw error
    }
  }

  async function carryOut(route: Route, { request, response }: { request: Request; response: Response }, asked: Asked): Promise<void> {
    const principal = await admit(route, { request, response, asked })
    // Only now: who may not ask costs no parsing. What comes with a GET means nothing (RFC 9110, 9.3.1).
    const body = route.method === 'GET' ? undefined : await readBody(request, response)
    const row = deps.rows[`${route.method} ${route.path}`]
    if (row?.body === undefined) parse(noBody, body)
    const query = row?.query === undefined ? request.query : readQuery(request)
    const { params, headers, path } = request
    const known = params as Record<string, string>
    const answer = await handleOnce(route, {
      ...{ principal, path, params: known, query, body, headers, ip: asked.ip },
      correlation_id: correlationOf(response),
    })
    await send(route, { request, response, answer, clock: deps.clock })
  }

  async function admit(route: Route, { request, response, asked: who }: { request: Request; response: Response; asked: Asked }) {
    if (route.access === 'public') return undefined
    const asked = { route, response, ip: who.ip }
    const identified = await identify(route, request).catch(async (error: unknown) => {
      // Who guesses at credentials is counted like any stranger.
      if (error instanceof ParleyError) await takeRate({ ...asked, principal: undefined })
      throw error
    })
    const principal = identified?.principal
    who.principal = principal
    if (identified?.set_cookie !== undefined) response.append('Set-Cookie', identified.set_cookie)
    await takeRate({ ...asked, principal })
    requireAccess(route, principal)
    return principal
  }

  async function identify({ access }: Route, { headers, method }: Request): Promise<Identified | undefined> {
    try {
      return await deps.identify({ headers, method })
    } catch (error) {
      // An open route serves those with bad credentials too: they may be here to get new ones.
      if (access === 'open' && error instanceof ParleyError && error.code === 'UNAUTHENTICATED') return undefined
      throw error
    }
  }
}

/** `/contracts/:id/events` is about a contract. */
function subjectOf({ path }: Route): string {
  return path.split('/')[1]?.replace(/s$/, '') ?? ''
}

async function send(
  { method, access }: Route,
  { request, response, answer, clock }: { request: Request; response: Response; answer: RouteAnswer; clock: Clock },
): Promise<void> {
  const { status, body, headers, text, lines, etag } = answer
  if (method === 'GET' && etag !== undefined) requireSame(request.headers, etag)
  response.status(status)
  // A cookie of the door's may stand there already.
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (name === 'Set-Cookie') response.append(name, value)
    else response.set(name, value)
  }
  // Who may read it is asked each time: no cache on the way, nor the reader's own, answers in the hub's place.
  if (etag === undefined && access !== 'public' && !response.hasHeader('Cache-Control')) response.set('Cache-Control', 'no-store')
  if (etag !== undefined) {
    // Kept by its reader only, and asked for again each time: it may have become another's business meanwhile.
    response.set({ ETag: etag, 'Cache-Control': headers?.['Cache-Control'] ?? 'private, no-cache' })
    if (method === 'GET' && isFresh(request.headers, etag)) {
      response.status(304).end()
      return
    }
  }
  if (lines !== undefined) await sendLines(response, lines, clock)
  else if (text !== undefined) end(response, headers?.['Content-Type'] ?? 'text/plain; charset=utf-8', text)
  else if (body === undefined) response.end()
  else end(response, 'application/json; charset=utf-8', JSON.stringify(body))
}

/** Not by Express, which answers 304 to `If-None-Match: *` for what has no version at all. */
function end(response: Response, type: string, text: string): void {
  response.setHeader('Content-Type', type)
  response.setHeader('Content-Length', Buffer.byteLength(text))
  response.end(text)
}

/**
 * As fast as the reader takes them, and only as long as he does. A reader who leaves is no fault; a source that fails ends the answer
 * where it is, and that is seen.
 */
async function sendLines(response: Response, lines: AsyncIterable<string>, clock: Clock): Promise<void> {
  async function* whileTaken() {
    for await (const line of lines) {
      const cancel = clock.after(LONGEST_PAUSE_MS, () => response.destroy())
      try {
        yield line
      } finally {
        cancel()
      }
    }
  }
  await pipeline(Readable.from(whileTaken()), response).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  })
}
