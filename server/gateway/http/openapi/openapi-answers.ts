import { type ErrorCode, errors, type HttpRow } from '../../../../shared/protocol/index.ts'
import type { Route } from '../../../pipeline/http/route.ts'
import type { JsonSchema } from './openapi.ts'
import { exampleOf, problemExample } from './openapi-examples.ts'
import { refusalsOf } from './refusals-of.ts'

const text = { type: 'string' }

/** Named once, and referred to by each answer. */
export const headers = {
  'X-Correlation-Id': { description: "Finds the request in the hub's log: the trace id.", schema: text },
  traceparent: { description: "W3C Trace Context: the hub's own span in the trace.", schema: text },
  'X-Dev-Mode': { description: '`true`: a development hub.', schema: text },
  'RateLimit-Policy': { description: '`"read";q=60;w=60`: 60 requests in 60 seconds.', schema: text },
  RateLimit: { description: '`"read";r=59;t=41`: 59 are left, for 41 seconds. Not for the operator, who is not counted.', schema: text },
  'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' } },
  'WWW-Authenticate': { description: '`Bearer`', schema: text },
  ETag: { description: 'The version of what the body shows.', schema: text },
  Link: { description: 'The first and the next page (RFC 8288).', schema: text },
  Location: { description: 'Where what was made lies, where it has a place.', schema: text },
  'Idempotent-Replayed': { description: '`true`: the answer of an earlier request with the same key.', schema: text },
  'X-Content-SHA256': { description: 'The seal of a text that is whole.', schema: text },
} as const

type Header = keyof typeof headers

const everywhere = ['X-Correlation-Id', 'traceparent', 'X-Dev-Mode'] as const
const counted = ['RateLimit-Policy', 'RateLimit'] as const

const named = (names: readonly Header[]) => Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))

/** All that a route answers, each status by itself. `refusals` gathers those that several routes share, by name. */
export function answersOf(
  route: Route,
  { row, answer, refusals }: { row: HttpRow; answer: JsonSchema | undefined; refusals: Record<string, object> },
): Record<string, object> {
  const refused = [...refusalsOf(route, row)].map(([status, codes]) => {
    const isCounted = route.access !== 'public' && status < 500
    const name = [...codes, ...(isCounted ? ['counted'] : [])].join('.')
    refusals[name] ??= refusal(status, codes, isCounted)
    return [status, { $ref: `#/components/responses/${name}` }] as const
  })
  const whole = success(route, row, answer)
  return {
    [row.status ?? 200]: whole,
    ...(row.versioned && route.method === 'GET' ? { 304: unchanged } : {}),
    ...Object.fromEntries(refused),
    ...(row.tells_when_ill ? { 503: { ...whole, ...illOrStarting(whole.content) } } : {}),
  }
}

const unchanged = { description: 'The reader has it already.', headers: named([...everywhere, ...counted, 'ETag']) }

interface Success {
  description: string
  headers: object
  content?: Record<string, object>
}

function success(route: Route, row: HttpRow, answer: JsonSchema | undefined): Success {
  const once = typeof route.replay === 'object' ? route.replay.without : []
  const replayed = once.length > 0 ? ` A replay comes without ${once.map((name) => `\`${name}\``).join(', ')}.` : ''
  const schema = answer && without(answer, once)
  const content = schema ? { 'application/json': { schema, example: exampleOf(answer) } } : row.media && { [row.media]: { schema: text } }
  return {
    ...{ description: `${row.about[0]?.toUpperCase()}${row.about.slice(1)}.${replayed}` },
    headers: named([...everywhere, ...(route.access === 'public' ? [] : counted), ...ownHeaders(route, row)]),
    ...(content ? { content } : {}),
  }
}

function ownHeaders({ method, replay, path }: Route, { versioned, status, answer, media }: HttpRow): Header[] {
  const isList = answer !== undefined && 'shape' in answer && 'total' in (answer.shape as object)
  return [
    ...(versioned ? (['ETag'] as const) : []),
    ...(isList ? (['Link'] as const) : []),
    ...(method === 'POST' && status === 201 ? (['Location'] as const) : []),
    ...(method === 'POST' && replay !== 'never' ? (['Idempotent-Replayed'] as const) : []),
    ...(media === 'text/plain' && path.endsWith('/text') ? (['X-Content-SHA256'] as const) : []),
  ]
}

/** What is shown once need not be there. */
function without(answer: JsonSchema, once: readonly string[]): JsonSchema {
  if (once.length === 0 || answer.required === undefined) return answer
  return { ...answer, required: answer.required.filter((name) => !once.includes(name)) }
}

function refusal(status: number, codes: readonly ErrorCode[], isCounted: boolean) {
  const mayPass = codes.some((code) => errors[code].retry === 'later')
  return {
    description: codes.map((code) => `\`${code}\`: ${errors[code].title}. ${errors[code].fix}`).join('\n\n'),
    headers: named([
      ...everywhere,
      ...(isCounted ? counted : []),
      ...(mayPass ? (['Retry-After'] as const) : []),
      ...(status === 401 ? (['WWW-Authenticate'] as const) : []),
    ]),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { status: { const: status }, code: { enum: codes } } }],
        },
        examples: Object.fromEntries(codes.map((code) => [code, { value: problemExample(code) }])),
      },
    },
  }
}

/** Before it listens to its routes, it says so like every other route. */
function illOrStarting(content: Record<string, object> | undefined) {
  return {
    description: 'It takes no work now.',
    content: { ...content, ...refusal(errors.UNAVAILABLE.status, ['UNAVAILABLE'], false).content },
  }
}
