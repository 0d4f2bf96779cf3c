import type { OutgoingHttpHeaders } from 'node:http'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

/** One answer as it left. */
export interface Answered {
  method: string
  path: string
  status: number
  headers: OutgoingHttpHeaders
  body: string
}

interface Answer {
  $ref?: string
  headers?: Record<string, unknown>
  content?: Record<string, { schema: object }>
}
export interface Document {
  paths: Record<string, Record<string, { responses: Record<string, Answer> }>>
  components: { responses: Record<string, Answer>; headers: Record<string, unknown> }
}

/** What an OpenAPI document does not tell of an answer: its status, its code, a header or a part of the body. */
export function createJudge(document: Document): (answered: Answered) => string[] {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'api', ...document })
  const compiled = new Map<object, ValidateFunction>()
  const paths = Object.entries(document.paths)
    .sort(([a], [b]) => Number(a.includes('{')) - Number(b.includes('{')))
    .map(([path, operations]) => ({ path, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`, 'i'), operations }))

  function faultOf(schema: object, value: unknown): string | undefined {
    const validate = compiled.get(schema) ?? ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object)
    compiled.set(schema, validate)
    if (validate(value)) return undefined
    const { instancePath, message, params } = validate.errors?.[0] ?? {}
    return `${instancePath} ${message} ${JSON.stringify(params)}`
  }

  function whole({ $ref, ...answer }: Answer): Answer {
    return $ref === undefined ? answer : (document.components.responses[$ref.split('/').at(-1) ?? ''] as Answer)
  }

  return function faultsOf({ method, path, status, headers, body }: Answered): string[] {
    const known = paths.find(({ pattern }) => pattern.test(path))
    if (known === undefined || method === 'OPTIONS') return []
    const operation = known.operations[method === 'HEAD' ? 'get' : method.toLowerCase()]
    const told = `${method} ${known.path} answered ${status} ${codeIn(body)}`
    if (operation === undefined) return status === 405 ? [] : [`${told}: it is no operation`]
    const answer = operation.responses[status]
    if (answer === undefined) return [`${told}: no such status`]
    const named = whole(answer)
    const unnamed = Object.keys(document.components.headers).filter(
      (name) => name.toLowerCase() in headers && !(name in (named.headers ?? {})),
    )
    const withoutBody = method === 'HEAD' || status === 304
    const wrong = withoutBody ? [] : bodyFaults(named.content ?? {}, String(headers['content-type'] ?? ''), body)
    return [...unnamed.map((name) => `the header ${name} is not named`), ...wrong].map((fault) => `${told}: ${fault}`)
  }

  function bodyFaults(content: NonNullable<Answer['content']>, type: string, body: string): string[] {
    if (body === '' && Object.keys(content).length === 0) return []
    const media = content[type.split(';')[0] ?? '']
    if (media === undefined) return [`not of the type ${type}`]
    const fault = type.includes('json') && !type.includes('ndjson') ? faultOf(media.schema, JSON.parse(body)) : undefined
    return fault === undefined ? [] : [fault]
  }
}

function codeIn(body: string): string {
  return /"code":"(\w+)"/.exec(body)?.[1] ?? ''
}
