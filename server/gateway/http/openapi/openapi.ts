import { z } from 'zod'
import { errorCodes, errors, fieldErrorSchema, type HttpRow } from '../../../../shared/protocol/index.ts'
import type { Route } from '../../../pipeline/http/route.ts'
import { answersOf, headers } from './openapi-answers.ts'
import { exampleOf } from './openapi-examples.ts'
import { heedsMatch } from './refusals-of.ts'

export interface JsonSchema {
  type?: string
  properties?: Record<string, JsonSchema>
  required?: string[]
  [keyword: string]: unknown
}

// As most send them: a key without quotes, one tag.
const KEY_FORM = '^[!#-+\\--\\[\\]-~]{1,255}$'
const TAG_FORM = '^(\\*|"[!#-~]*")$'

/** OpenAPI 3.1 of the very rows that are mounted and the very schemas that they parse with: it cannot tell of another hub. Throws for a route without a row. */
export function openApiDocument({
  routes,
  rows,
  version,
  public_url,
}: {
  routes: readonly Route[]
  rows: Readonly<Record<string, HttpRow>>
  version: string
  public_url: string
}) {
  const paths: Record<string, Record<string, object>> = {}
  const refusals: Record<string, object> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] ??= {}
    const name = `${route.method} ${route.path}`
    const row = rows[name]
    if (row === undefined) throw new Error(`shared/protocol/http has no row for ${name}`)
    paths[path][route.method.toLowerCase()] = operationOf(route, { row, refusals })
  }
  const shared: Record<string, unknown> = { Problem: problemSchema() }
  const lifted = liftParts(paths, shared)
  return {
    openapi: '3.1.1',
    info: {
      title: 'Parley',
      version,
      description: 'The HTTP side of the hub. Rooms are live over Socket.IO: docs/PROTOCOL.md.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: public_url }],
    tags: [...new Set(routes.map(tagOf))].sort().map((name) => ({ name, description: `What lies under \`/${name}\`.` })),
    paths: lifted,
    components: { schemas: shared, responses: refusals, headers, securitySchemes },
  }
}

/** A schema as JSON Schema 2020-12, which is what OpenAPI 3.1 has. */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    reused: 'inline',
    override: byPattern,
  }) as JsonSchema
  return JSON.parse(JSON.stringify(rest).replaceAll('"#/$defs/', '"#/components/schemas/')) as JsonSchema
}

/** An address is checked by its pattern alone, and each reader takes the format for something a little different. */
function byPattern({ jsonSchema }: { jsonSchema: { format?: string; pattern?: string } }): void {
  if (jsonSchema.format === 'email' && jsonSchema.pattern !== undefined) delete jsonSchema.format
}

/** Parts that several schemas refer to stand once, among the components. */
function liftParts(value: unknown, into: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => liftParts(item, into))
  if (typeof value !== 'object' || value === null) return value
  const { $defs, ...rest } = value as { $defs?: Record<string, unknown> }
  for (const [name, part] of Object.entries($defs ?? {})) into[name] = liftParts(part, into)
  return Object.fromEntries(Object.entries(rest).map(([name, member]) => [name, liftParts(member, into)]))
}

function operationOf(route: Route, { row, refusals }: { row: HttpRow; refusals: Record<string, object> }) {
  const { query, body, answer, who, about } = row
  return {
    operationId: `${route.method.toLowerCase()}${route.path.replaceAll(/[^a-z0-9]+/gi, '_')}`,
    summary: sentence(about.split('; ')[0] ?? ''),
    tags: [tagOf(route)],
    security: securityOf(route),
    description: `${sentence(about)}\n\nWho may: ${who}.${'scope' in route && route.scope !== null ? ` A key needs the scope \`${route.scope}\`.` : ''}`,
    parameters: [...pathParameters(route), ...(query === undefined ? [] : queryParameters(query)), ...headerParameters(route, row)],
    ...(body === undefined ? {} : { requestBody: bodyOf(route, body) }),
    responses: answersOf(route, { row, answer: answer && jsonSchemaOf(answer, 'output'), refusals }),
  }
}

function sentence(text: string): string {
  return `${text[0]?.toUpperCase()}${text.slice(1)}.`
}

/** `/contracts/:id/events` belongs to `contracts`. */
function tagOf({ path }: Route): string {
  return path.split('/')[1] ?? ''
}

function pathParameters({ path }: Route) {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true },
    schema: { type: 'string', format: 'uuid' },
  }))
}

/** A number of a query is text on the wire, and a number to whoever reads the document: what it must be stands in its range. */
function queryParameters(query: z.ZodType) {
  const [taken, parsed] = [jsonSchemaOf(query, 'input'), jsonSchemaOf(query, 'output')]
  return Object.entries(parsed.properties ?? {}).map(([name, schema]) => ({
    ...{ name, in: 'query', required: taken.required?.includes(name) ?? false, schema },
  }))
}

function headerParameters({ method, replay }: Route, { versioned }: HttpRow) {
  const header = (name: string, description: string, form: object = {}) => ({
    ...{ name, in: 'header', required: false, description },
    schema: { type: 'string', ...form },
  })
  return [
    ...(method === 'POST' && replay !== 'never'
      ? [header('Idempotency-Key', 'The same request with the same key happens once.', { pattern: KEY_FORM })]
      : []),
    ...(versioned && heedsMatch(method)
      ? [header('If-Match', `The ETag of what is ${method === 'GET' ? 'meant' : 'about to change'}.`, { pattern: TAG_FORM })]
      : []),
    ...(versioned && method === 'GET' ? [header('If-None-Match', 'The ETag of what the reader has.')] : []),
    header('traceparent', 'W3C Trace Context: the trace that the request belongs to.'),
  ]
}

function bodyOf({ method }: Route, body: z.ZodType) {
  const schema = jsonSchemaOf(body, 'input')
  const one = { schema, example: exampleOf(schema) }
  const content = { 'application/json': one }
  // What may be empty may be missing; but to put nothing in the place of something is never meant, and no JSON is no patch.
  const required = method !== 'POST' || !body.safeParse({}).success
  return { required, content: method === 'PATCH' ? { ...content, 'application/merge-patch+json': one } : content }
}

const securitySchemes = {
  key: { type: 'http', scheme: 'bearer', bearerFormat: 'pk_agent_…', description: "An agent's key, with the scope that stands beside it." },
  token: { type: 'http', scheme: 'bearer', description: "A user's access token, or the operator's token." },
  cookie: { type: 'apiKey', in: 'cookie', name: '__Host-parley', description: "The console's session." },
  csrf: {
    type: 'apiKey',
    in: 'header',
    name: 'X-CSRF-Token',
    description: 'The value of the cookie `__Host-parley-csrf`, for writes by cookie.',
  },
}

function securityOf(route: Route): Record<string, string[]>[] {
  const { access, method } = route
  if (access === 'public') return []
  // What must be had beside the credential: a scope of a key, a role of a user.
  const role = access === 'operator' ? ['admin'] : []
  const scope = route.access === 'principal' && route.scope !== null ? [route.scope] : []
  const key = access === 'operator' ? [] : [{ key: scope }]
  const proven = [...key, { token: role }, method === 'GET' ? { cookie: role } : { cookie: role, csrf: [] }]
  return access === 'open' ? [{}, ...proven] : proven
}

/** RFC 9457, with what the hub adds. Every code that there is stands in it. */
function problemSchema(): JsonSchema {
  const text = { type: 'string' }
  const codes = errorCodes.map((code) => `- \`${code}\` (${errors[code].status}): ${errors[code].title}. ${errors[code].fix}`)
  return {
    type: 'object',
    required: ['type', 'title', 'status', 'instance', 'code', 'fix', 'retry', 'correlation_id'],
    properties: {
      type: { ...text, description: '`urn:parley:error:` and the code' },
      title: text,
      status: { type: 'integer' },
      detail: text,
      instance: { ...text, description: 'The path that was asked for' },
      code: { type: 'string', enum: errorCodes, description: codes.join('\n') },
      fix: { ...text, description: 'What to do about it' },
      retry: { type: 'string', enum: ['never', 'later', 'after-refresh'] },
      errors: { type: 'array', items: jsonSchemaOf(fieldErrorSchema, 'output') },
      facts: { type: 'object', description: 'What is needed to mend it' },
      correlation_id: { ...text, description: "Finds the request in the hub's log" },
    },
  }
}
