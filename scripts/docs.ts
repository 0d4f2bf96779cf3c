// Fills the tables and examples of the documents from the code that they describe. `--check` only says whether they are fresh.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { settings } from '../server/settings/config.ts'
import { limitBounds } from '../server/settings/limit-bounds.ts'
import {
  closeCodes,
  defaultLimits,
  defaultRates,
  errors,
  eventData,
  frames,
  type HttpRow,
  http,
  pushes,
  type ScopeRow,
  scopeTable,
} from '../shared/protocol/index.ts'
import { routeCells } from './lib/route-cells.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface JsonSchema {
  type?: string | string[]
  properties?: Record<string, JsonSchema>
  required?: string[]
  items?: JsonSchema
  anyOf?: JsonSchema[]
  enum?: unknown[]
  const?: unknown
}

const sections: Record<string, Record<string, () => string>> = {
  'docs/PROTOCOL.md': {
    frames: () => {
      const rows = Object.entries(frames).map(([type, { payload, ack }]) => [
        `\`${type}\``,
        `\`${shapeOf(payload, 'input')}\``,
        `\`${shapeOf(ack, 'output')}\``,
      ])
      return table(['frame', 'payload', 'acknowledgement, beside `ok`'], rows)
    },
    pushes: () =>
      table(
        ['event', 'payload'],
        Object.entries(pushes).map(([type, schema]) => [`\`${type}\``, `\`${shapeOf(schema, 'output')}\``]),
      ),
    events: () =>
      table(
        ['type', '`data`'],
        Object.entries(eventData).map(([type, schema]) => [`\`${type}\``, `\`${shapeOf(schema, 'output')}\``]),
      ),
    errors: () =>
      table(
        ['code', 'status', '`retry`', 'title', 'fix'],
        Object.entries(errors).map(([code, { status, retry, title, fix }]) => [code, String(status), retry, title, fix]),
      ),
    scopes: () =>
      table(
        ['scope', 'what it covers', 'needs'],
        Object.entries<ScopeRow>(scopeTable).map(([scope, { about, permission }]) => [
          `\`${scope}\``,
          about,
          permission ? `\`${permission}\`` : '',
        ]),
      ),
    closing: () => {
      const ranges = {
        4001: '4000–4199: come back with `since`',
        4401: '4400–4499: come back with new credentials',
        4500: '4500–4599: stay away',
      }
      return table(
        ['code', 'name', 'range'],
        Object.entries(closeCodes).map(([name, code]) => [String(code), name, ranges[code < 4400 ? 4001 : code < 4500 ? 4401 : 4500]]),
      )
    },
    limits: () =>
      table(
        ['limit', 'default', 'may be set from', 'to'],
        Object.entries(defaultLimits).map(([name, value]) => [
          `\`${name}\``,
          ...[value, ...limitBounds[name as keyof typeof limitBounds]].map(String),
        ]),
      ),
  },
  'CONTRIBUTING.md': {
    test: () => `\`\`\`ts\n${readFileSync(`${root}test/scenarios/first-test.test.ts`, 'utf8')}\`\`\``,
  },
  'README.md': {
    agent: () => `\`\`\`ts\n${readFileSync(`${root}examples/echo-agent.ts`, 'utf8')}\`\`\``,
    rates: () => {
      const what: Record<keyof typeof defaultRates, string> = {
        read: 'GET',
        write: 'everything else',
        login: 'signing in, by address',
        register: '`POST /agents`, by address',
        upload: 'sending files',
      }
      const rows = Object.entries(defaultRates).map(([name, { q, w }]) => [
        `\`${name}\``,
        what[name as keyof typeof what],
        `${q} in ${w} s`,
      ])
      return table(['policy', 'counts', 'default'], rows)
    },
    routes: () => table(['route', 'who', 'what comes of it'], Object.entries<HttpRow>(http).map(routeCells)),
    settings: () =>
      table(
        ['setting', 'default', ''],
        Object.entries(settings).map(([name, { shown, about }]) => [`\`${name}\``, shown, about]),
      ),
  },
}

const check = process.argv.includes('--check')
for (const [path, parts] of Object.entries(sections)) {
  const before = readFileSync(root + path, 'utf8')
  const after = Object.entries(parts).reduce((text, [name, make]) => fill(text, { path, name, body: make() }), before)
  if (after === before) continue
  if (check) {
    console.error(`${path} is stale: run npm run docs`)
    process.exitCode = 1
  } else writeFileSync(root + path, after)
}

function fill(text: string, { path, name, body }: { path: string; name: string; body: string }): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [text.indexOf(open), text.indexOf(close)]
  if (from === -1 || to === -1) throw new Error(`${path} has no section ${name}`)
  return `${text.slice(0, from + open.length)}\n${body}\n${text.slice(to)}`
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

/** A shape in short: `{contract_id, since?, …}`. The whole of it stands in shared/schema.json. */
function shapeOf(schema: z.ZodType, io: 'input' | 'output'): string {
  return shape(z.toJSONSchema(schema, { io, unrepresentable: 'any', reused: 'inline' }) as JsonSchema, 0)
}

function shape(schema: JsonSchema, depth: number): string {
  if (schema.anyOf !== undefined) {
    const kinds = schema.anyOf.filter(({ type }) => type !== 'null').map((one) => shape(one, depth))
    return [...new Set(kinds)].filter((kind) => kind !== '').join(' or ')
  }
  if (schema.enum !== undefined) return schema.enum.map((one) => `'${one}'`).join(' / ')
  if (schema.type === 'array') return `[${shape(schema.items ?? {}, depth + 1)}]`
  if (schema.properties === undefined) return ''
  if (depth > 2) return '{…}'
  const members = Object.entries(schema.properties).map(([name, member]) => {
    const optional = schema.required?.includes(name) ? '' : '?'
    // What is described in a section of its own is only named here.
    const inner = ['limits', 'view', 'by', 'stream'].includes(name) ? '' : shape(member, depth + 1)
    return `${name}${optional}${inner === '' || inner === '[]' ? '' : `: ${inner}`}`
  })
  return `{${members.join(', ')}}`
}
