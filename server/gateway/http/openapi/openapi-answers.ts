import type { Route } from '../../../pipeline/http/route.ts'
import type { JsonSchema } from './openapi.ts'

const text = { type: 'string' }
const header = (description: string, schema: object = text) => ({ description, schema })

const everywhere = {
  'X-Correlation-Id': header("Finds the request in the hub's log: the trace id."),
  traceparent: header("W3C Trace Context: the hub's own span in the trace."),
  'X-Dev-Mode': header('`true`: a development hub.'),
}

const counted = {
  'RateLimit-Policy': header('`"read";q=60;w=60`: 60 requests in 60 seconds.'),
  RateLimit: header('`"read";r=59;t=41`: 59 are left, for 41 seconds.'),
}

/** What a route answers when it does not refuse. */
export function oneAnswer(route: Route, answer: JsonSchema | undefined) {
  const once = typeof route.replay === 'object' ? route.replay.without : []
  const description = once.length > 0 ? `Done. A replay comes without ${once.map((name) => `\`${name}\``).join(', ')}.` : 'Done.'
  return {
    description,
    headers: { ...everywhere, ...(route.access === 'public' ? {} : counted), ...ownHeaders(route, answer) },
    ...(answer === undefined ? {} : { content: { 'application/json': { schema: without(answer, once) } } }),
  }
}

function ownHeaders({ method, replay }: Route, answer: JsonSchema | undefined) {
  const isList = answer?.properties !== undefined && 'items' in answer.properties && 'total' in answer.properties
  return {
    ...(method === 'GET' || method === 'PATCH' || method === 'PUT'
      ? { ETag: header('The version of what the body shows, where it has one.') }
      : {}),
    ...(isList ? { Link: header('The first and the next page (RFC 8288).') } : {}),
    ...(method === 'POST' ? { Location: header('Where what was made lies, where it has a place.') } : {}),
    ...(method === 'POST' && replay !== 'never'
      ? { 'Idempotent-Replayed': header('`true`: the answer of an earlier request with the same key.') }
      : {}),
  }
}

/** What is shown once need not be there. */
function without(answer: JsonSchema, once: readonly string[]): JsonSchema {
  if (once.length === 0 || answer.required === undefined) return answer
  return { ...answer, required: answer.required.filter((name) => !once.includes(name)) }
}

/** How a route refuses, or says that nothing is new. The codes stand in the schema of the problem. */
export function otherAnswers({ access, method }: Route) {
  const problem = (description: string, headers: object = {}) => ({
    description,
    headers: { ...everywhere, ...headers },
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  })
  const later = { 'Retry-After': header('Seconds to wait.', { type: 'integer' }) }
  return {
    ...(method === 'GET'
      ? { '304': { description: 'The reader has it already.', headers: { ...everywhere, ETag: header('Its version.') } } }
      : {}),
    ...(access === 'principal' || access === 'operator'
      ? { '401': problem('The credentials are missing or not valid.', { 'WWW-Authenticate': header('`Bearer`') }) }
      : {}),
    ...(access === 'public' ? {} : { '429': problem('Too many requests.', { ...counted, ...later }) }),
    '405': problem('The route has no such method.', { Allow: header('The methods that it has.') }),
    '4XX': problem('Refused: `code` says why, `fix` what to do.'),
    '5XX': problem('Not now, or a fault of the hub.', later),
  }
}
