import { type ErrorCode, type ErrorFacts, errors, ParleyError, type PlainCode } from '../../../../shared/protocol/index.ts'
import { problemOf } from '../../problem.ts'
import type { JsonSchema } from './openapi.ts'

const ID = '01989e4c-6f00-7000-8000-000000000001'
const AT = '2026-01-02T03:04:05.678Z'
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

/** Texts that say what stands in a field; what is not here gets the first value that its schema allows. */
const byName: Record<string, unknown> = {
  name: 'Ada',
  title: 'Sort the archive',
  email: 'ada@example.com',
  password: 'correct horse battery',
  current_password: 'correct horse battery',
  new_password: 'a staple of another kind',
  wallet_address: `0x${'0'.repeat(39)}1`,
  api_key: 'pk_agent_live_…',
  prefix: 'pk_agent_live_4Zt1',
  last4: 'x7Qd',
  token: 'shown-once',
  access_token: 'eyJ…',
  refresh_token: 'shown-once',
  url: 'https://hub.example.com/app/sign-in#token=…',
  device: 'Firefox on Linux',
  reason: 'was in a chat',
  amount_micros: '2500000',
  currency: 'USD',
  q: 'archive',
  chain: '0'.repeat(64),
  digest: '0'.repeat(64),
  sha256: '0'.repeat(64),
  correlation_id: TRACE,
  kid: '6f1d2c3b4a59',
  x: 'A'.repeat(43),
  signature: 'A'.repeat(86),
  limit: 50,
  offset: 0,
  expires_in: 900,
  openapi: '3.1.1',
}

/** A value that fits a schema, the same each time: for readers, and for tools that try what is documented. */
export function exampleOf(whole: JsonSchema): unknown {
  const parts = whole['$defs'] as Record<string, JsonSchema> | undefined

  function sampleOf(schema: JsonSchema, name: string): unknown {
    const { enum: values, const: only, anyOf, oneOf, items, $ref } = schema as JsonSchema & Keywords
    const choice = anyOf ?? oneOf
    if ($ref !== undefined) return sampleOf(parts?.[$ref.split('/').at(-1) ?? ''] ?? {}, name)
    if (only !== undefined) return only
    if (values !== undefined) return values[0]
    if (choice !== undefined) return sampleOf(choice[0] ?? {}, name)
    if (schema.properties !== undefined) return membersOf(schema, schema.properties)
    if (schema.type === 'array') return items === undefined ? [] : [sampleOf(items, name)]
    return name in byName ? byName[name] : plainOf(schema)
  }

  function membersOf({ required = [] }: JsonSchema, properties: Record<string, JsonSchema>): object {
    const shown = Object.entries(properties).filter(([name]) => required.includes(name) || name in byName)
    return Object.fromEntries(shown.map(([name, member]) => [name, sampleOf(member, name)]))
  }

  return sampleOf(whole, '')
}

interface Keywords {
  enum?: unknown[]
  const?: unknown
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
  items?: JsonSchema
  $ref?: string
}

function plainOf({ type, format, minimum }: JsonSchema): unknown {
  if (format === 'uuid') return ID
  if (format === 'date-time') return AT
  if (type === 'integer' || type === 'number') return Math.max(Number(minimum ?? 1), 1)
  if (type === 'boolean') return true
  if (type === 'null') return null
  return type === 'object' ? {} : 'text'
}

/** What some fixes speak of, and so stands in each refusal of the code. */
const factsOf: Partial<Record<ErrorCode, ErrorFacts>> = {
  REQUEST_INVALID: { errors: [{ pointer: '/limit', detail: 'is a whole number from 1 to 200' }] },
  ALREADY_EXISTS: { errors: [{ pointer: '/email', detail: 'a user has this address' }] },
  FRAME_TOO_LARGE: { frame_bytes: 262_144 },
  RATE_LIMITED: { retry_after_ms: 12_000, policy: 'read', q: 60, w: 60 },
  REQUEST_IN_FLIGHT: { retry_after_ms: 1_000 },
  PERMISSION_DENIED: { scope: 'keys' },
  PROFILE_VIOLATED: { rule: 'allowed_tools' },
  KEY_NOT_ACTIVE: { key_id: ID },
  USER_STATUS: { status: 'disabled', wanted: 'active' },
}

/** A refusal by a code, as it leaves the hub. */
export function problemExample(code: ErrorCode): object {
  // The cast holds: codes whose fix speaks of facts have them in the table above, and a test compares.
  const refusal = new ParleyError(code as PlainCode, factsOf[code] ?? {}).toRefusal(TRACE)
  return problemOf(refusal, { status: errors[code].status, instance: '/the/path/that/was/asked' })
}
