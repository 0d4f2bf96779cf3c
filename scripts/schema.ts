/**
 * Writes shared/schema.json: the whole protocol as one JSON Schema (2020-12), for readers in other languages. `--check` writes
 * nothing and fails when the file is stale.
 *
 *   node scripts/schema.ts [--check] [file]
 *
 * Schemas say what a receiver must accept, so unknown members are allowed wherever zod drops them. What JSON Schema cannot say
 * (a password's 72 bytes, a tool schema that compiles) the hub still checks.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import {
  afterClose,
  bySchema,
  callErrorSchema,
  callViewSchema,
  closeCodes,
  contractViewSchema,
  defaultLimits,
  epochSchema,
  errors,
  eventData,
  fieldErrorSchema,
  floorSchema,
  frames,
  type HttpRow,
  hashSchema,
  http,
  idSchema,
  keySchema,
  limitsSchema,
  memberSchema,
  PROTOCOL,
  PROTOCOLS_SPOKEN,
  permissionsSchema,
  pushes,
  recordedEventSchema,
  redactedEventSchema,
  refusalSchema,
  roomRoles,
  roomViewSchema,
  seqSchema,
  streamSealSchema,
  timeSchema,
  toolSchema,
  toolViewSchema,
  userRoles,
  valueSchema,
  welcomeSchema,
  wireEventSchema,
} from '../shared/protocol/index.ts'
import { callMachine, callMoves } from '../shared/rules/call-machine.ts'
import { contractMachine } from '../shared/rules/contract-machine.ts'

type Json = { [name: string]: unknown }

const schemaFile = fileURLToPath(new URL('../shared/schema.json', import.meta.url))

/** Parts that several schemas share; each stands once and is referred to. */
const parts = {
  Id: idSchema,
  Time: timeSchema,
  Seq: seqSchema,
  Key: keySchema,
  Hash: hashSchema,
  Epoch: epochSchema,
  By: bySchema,
  Value: valueSchema,
  Permissions: permissionsSchema,
  Limits: limitsSchema,
  Welcome: welcomeSchema,
  Tool: toolSchema,
  StreamSeal: streamSealSchema,
  CallError: callErrorSchema,
  RoomView: roomViewSchema,
  ContractView: contractViewSchema,
  Floor: floorSchema,
  Member: memberSchema,
  ToolView: toolViewSchema,
  CallView: callViewSchema,
  WireEvent: wireEventSchema,
  RecordedEvent: recordedEventSchema,
  RedactedEvent: redactedEventSchema,
  Refusal: refusalSchema,
  FieldError: fieldErrorSchema,
} satisfies Record<string, z.ZodType>

const routes: Record<string, HttpRow> = http

/** The document, always the same for the same protocol: names stand in the order of the tables they come from. */
export function protocolDocument(): Json {
  const schemas = namedSchemas()
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `urn:parley:protocol:${PROTOCOL}`,
    title: `Parley protocol ${PROTOCOL}`,
    description: 'Made from shared/protocol by `npm run schema`; do not edit. Constants and the index of all frames: `x-parley`.',
    'x-parley': plainData(),
    $defs: definitions(schemas),
  }
}

export function documentText(): string {
  return `${JSON.stringify(protocolDocument(), null, 2)}\n`
}

function namedSchemas(): Map<string, z.ZodType> {
  const schemas = new Map<string, z.ZodType>(Object.entries(parts))
  for (const [type, { payload, ack }] of Object.entries(frames)) schemas.set(`frame.${type}`, payload).set(`ack.${type}`, ack)
  for (const [type, data] of Object.entries(eventData)) schemas.set(`event.${type}`, data)
  for (const [type, push] of Object.entries(pushes)) schemas.set(`push.${type}`, push)
  for (const [route, sides] of Object.entries(routes)) {
    for (const [side, schema] of schemasOf(sides)) schemas.set(routeName(route, side), schema)
  }
  return schemas
}

function schemasOf({ query, body, answer }: HttpRow): [string, z.ZodType][] {
  return Object.entries({ query, body, answer }).flatMap(([side, schema]) =>
    schema === undefined ? [] : [[side, schema] as [string, z.ZodType]],
  )
}

function definitions(schemas: Map<string, z.ZodType>): Json {
  const registry = z.registry<{ id: string }>()
  const firstNames = new Map<z.ZodType, string>()
  for (const [id, schema] of schemas) {
    if (firstNames.has(schema)) continue
    firstNames.set(schema, id)
    registry.add(schema, { id })
  }
  const made = z.toJSONSchema(registry, { uri: refTo, io: 'input', override: ({ jsonSchema }) => dropSafeIntegers(jsonSchema) }).schemas
  const defs: Json = {}
  for (const [id, schema] of schemas) {
    const firstName = firstNames.get(schema) ?? id
    defs[id] = firstName === id ? withoutIds(made[id]) : { $ref: refTo(firstName) }
  }
  if ('__shared' in made) throw new Error(`name these in \`parts\`: ${Object.keys(made['__shared']?.$defs ?? {})}`)
  return defs
}

function refTo(name: string): string {
  return `#/$defs/${name}`
}

/** `GET /contracts/:id/events`, `answer` → `http.get.contracts.id.events.answer`: no `/`, which a JSON Pointer would escape. */
function routeName(route: string, side: string): string {
  const steps = route.toLowerCase().replaceAll(':', '').split(/[ /]+/)
  return ['http', ...steps, side].join('.')
}

/** The bounds that zod gives every integer say nothing: a number past them is no integer in JavaScript either. */
function dropSafeIntegers(schema: { minimum?: number; maximum?: number }): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
}

function withoutIds(schema: object | undefined): Json {
  return Object.fromEntries(Object.entries(schema ?? {}).filter(([name]) => name !== '$schema' && name !== '$id'))
}

function plainData(): Json {
  return {
    protocol: PROTOCOL,
    protocols_spoken: PROTOCOLS_SPOKEN,
    errors,
    close_codes: mapValues(closeCodes, (code) => ({ code, after: afterClose(code) })),
    call_machine: callMachine,
    call_moves: callMoves,
    contract_machine: contractMachine,
    default_limits: defaultLimits,
    room_roles: roomRoles,
    user_roles: userRoles,
    frames: mapValues(frames, (_, type) => ({ payload: refTo(`frame.${type}`), ack: refTo(`ack.${type}`) })),
    events: mapValues(eventData, (_, type) => refTo(`event.${type}`)),
    pushes: mapValues(pushes, (_, type) => refTo(`push.${type}`)),
    http: mapValues(routes, (row, route) => ({
      ...Object.fromEntries(schemasOf(row).map(([side]) => [side, refTo(routeName(route, side))])),
      ...{ status: row.status ?? 200, refuses: row.refuses ?? [] },
    })),
  }
}

function mapValues<Value>(table: { [name: string]: Value }, change: (value: Value, name: string) => unknown): Json {
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, change(value, name)]))
}

function main(): void {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { check: { type: 'boolean' } } })
  const [file = schemaFile] = positionals
  const text = documentText()
  if (!values.check) {
    writeFileSync(file, text)
  } else if (text !== readIfThere(file)) {
    console.error('shared/schema.json is stale: run npm run schema')
    process.exitCode = 1
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

if (import.meta.main) main()
