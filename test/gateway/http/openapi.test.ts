import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'chai'
import { type ErrorCode, errorCodes, errors, type HttpRow, http } from '../../../shared/protocol/index.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { createJudge } from '../../harness/judge-answers.ts'
import { api, openContract, type Person, signUp } from '../../harness/people.ts'

interface Media {
  schema: object
  example?: unknown
  examples?: Record<string, { value: unknown }>
}
interface Answer {
  $ref?: string
  headers: Record<string, unknown>
  content?: Record<string, Media>
}
interface Operation {
  operationId: string
  parameters: { name: string; in: string; required: boolean; schema: Record<string, unknown> }[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, Answer>
  security: object[]
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: {
    schemas: Record<string, { properties: Record<string, { enum: string[] }> }>
    responses: Record<string, Answer>
    securitySchemes: object
  }
}

describe('OpenAPI', () => {
  let hub: TestHub
  let document: Document
  let requester: Person

  before(async () => {
    hub = await startHub()
    requester = await signUp(hub)
    document = (await api<Document>(hub, 'GET', '/openapi.json')).body
  })
  after(() => hub.close())

  const operations = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })),
    )
  const operation = (method: string, path: string) => document.paths[path]?.[method] as Operation
  const answerOf = ({ responses }: Operation, status: number | string): Answer => {
    const { $ref, ...whole } = responses[status] as Answer
    return $ref === undefined ? whole : (document.components.responses[$ref.split('/').at(-1) ?? ''] as Answer)
  }
  /** Of all that a status may say. */
  const codesOf = (told: Operation, status: number) =>
    Object.keys(answerOf(told, status).content?.['application/problem+json']?.examples ?? {})

  it('[HTTP-27] the document tells of exactly the routes that are mounted', () => {
    const mounted = hub.routes.map((route) => route.replaceAll(/:(\w+)/g, '{$1}'))
    expect(
      operations()
        .map(({ name }) => name)
        .sort(),
    ).to.deep.equal([...mounted].sort())
    expect(document.openapi).to.match(/^3\.1\./)
    const ids = operations().map(({ operation: { operationId } }) => operationId)
    expect(new Set(ids).size).to.equal(ids.length)
    for (const { path, name, operation: told } of operations()) {
      const inPath = told.parameters.filter((one) => one.in === 'path').map((one) => `{${one.name}}`)
      expect(inPath, name).to.deep.equal(path.match(/\{\w+\}/g) ?? [])
    }
  })

  it('[HTTP-27] every body, query and answer that a route has a schema for stands there, and compiles', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: 'api', ...document })
    const resolved = (schema: object) => JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object
    for (const [route, sides] of Object.entries<HttpRow>(http)) {
      const [method = '', path = ''] = route.replaceAll(/:(\w+)/g, '{$1}').split(' ')
      const told = operation(method.toLowerCase(), path)
      const body = told.requestBody?.content['application/json']?.schema
      const answer = answerOf(told, sides.status ?? 200).content?.['application/json']?.schema
      expect([body !== undefined, answer !== undefined], route).to.deep.equal(['body' in sides, 'answer' in sides])
      for (const schema of [body, answer]) if (schema !== undefined) ajv.compile(resolved(schema))
      expect(
        told.parameters.some((one) => one.in === 'query'),
        route,
      ).to.equal('query' in sides)
    }
    const limit = operation('get', '/contracts').parameters.find(({ name }) => name === 'limit')
    expect(limit?.schema).to.include({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  })

  it('[HTTP-27] every code, header and credential stands there', () => {
    expect(document.components.schemas['Problem']?.properties['code']?.enum).to.deep.equal(errorCodes)
    const opening = operation('post', '/contracts')
    const headersOf = (told: Operation, status: number) => Object.keys(answerOf(told, status).headers)
    expect(headersOf(opening, 429)).to.include.members(['Retry-After', 'RateLimit', 'RateLimit-Policy', 'X-Correlation-Id'])
    expect(headersOf(opening, 201)).to.include.members(['Idempotent-Replayed', 'Location', 'traceparent', 'RateLimit'])
    expect(headersOf(operation('get', '/contracts'), 200))
      .to.include('Link')
      .and.not.include('ETag')
    expect(headersOf(operation('get', '/contracts/{id}'), 304)).to.include('ETag')
    expect(opening.parameters.map(({ name }) => name)).to.include('Idempotency-Key')
    expect(opening.security).to.deep.equal([{ key: ['rooms:write'] }, { token: [] }, { cookie: [], csrf: [] }])
    expect(operation('get', '/users').security).to.deep.equal([{ token: ['admin'] }, { cookie: ['admin'] }])
    expect(operation('get', '/health').security).to.deep.equal([])
    expect(operation('post', '/agents').security).to.deep.include({})
    expect(document.components.securitySchemes).to.have.keys('key', 'token', 'cookie', 'csrf')
  })

  it('[HTTP-30] each operation names each status by itself, with exactly the codes that it may say', () => {
    for (const { name, operation: told } of operations()) {
      for (const status of Object.keys(told.responses)) {
        expect(status, name).to.match(/^\d{3}$/)
        if (Number(status) < 400 || name === 'GET /readyz') continue
        const codes = codesOf(told, Number(status)) as ErrorCode[]
        expect(
          codes.map((code) => errors[code].status),
          `${name} ${status}`,
        ).to.deep.equal(codes.map(() => Number(status)))
        expect(codes, `${name} ${status}`).to.not.deep.equal([])
      }
    }
    const issuing = operation('post', '/agents/{id}/keys')
    expect(Object.keys(issuing.responses).join(' ')).to.equal('201 400 401 403 404 408 409 413 415 417 422 429 431 500 503')
    expect([codesOf(issuing, 409), codesOf(issuing, 403)]).to.deep.equal([
      ['KEY_LIMIT_REACHED', 'REQUEST_IN_FLIGHT'],
      ['PERMISSION_DENIED', 'PROFILE_VIOLATED', 'ORIGIN_DENIED', 'CSRF_TOKEN_INVALID'],
    ])
    expect(Object.keys(operation('get', '/livez').responses).join(' ')).to.equal('200 408 417 431 500 503')
    expect(Object.keys(operation('delete', '/sessions/{id}').responses))
      .to.include('204')
      .and.not.include('200')
  })

  it('[HTTP-30] every example fits the schema that it stands at', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: 'api', ...document })
    const answers = operations().flatMap(({ operation: told }) => Object.keys(told.responses).map((status) => answerOf(told, status)))
    const bodies = operations().flatMap(({ operation: told }) => told.requestBody ?? [])
    let count = 0
    for (const [what, { schema, example, examples = {} }] of [...answers, ...bodies].flatMap(({ content = {} }) =>
      Object.entries(content),
    )) {
      const validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object)
      const given = [...(example === undefined ? [] : [example]), ...Object.values(examples).map(({ value }) => value)]
      for (const one of given) expect(validate(one), `${what}: ${JSON.stringify([validate.errors, one])}`).to.equal(true)
      count += given.length
    }
    expect(count).to.be.above(300)
  })

  it('[HTTP-27] a linter of OpenAPI finds nothing in it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-openapi-'))
    try {
      const file = join(folder, 'openapi.json')
      await writeFile(file, JSON.stringify(document))
      const linter = fileURLToPath(new URL('../../../node_modules/@redocly/cli/bin/cli.js', import.meta.url))
      // The hub of a test is on this machine: that its address is of no use elsewhere is as it should be.
      const skipped = ['--skip-rule', 'no-server-example.com']
      const env = { PATH: process.env['PATH'], HOME: folder, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
      const { stdout } = await promisify(execFile)(process.execPath, [linter, 'lint', '--format', 'json', ...skipped, file], {
        env,
        cwd: folder,
      })
      const { totals, problems } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { totals: object; problems: { ruleId: string }[] }
      expect(problems.map(({ ruleId }) => ruleId)).to.deep.equal([])
      expect(totals).to.include({ errors: 0, warnings: 0 })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('[HTTP-28] every test holds what the hub answers against the document: the status, the code, the headers and the body', async () => {
    const judge = createJudge(document as never)
    const { contract_id } = await openContract(hub, { requester })
    const path = `/contracts/${contract_id}`
    const answered = async (asked: string, method = 'GET') => {
      const response = await fetch(hub.url + asked, { method, headers: { authorization: `Bearer ${requester.bearer}` } })
      return {
        method,
        path: asked.split('?')[0] ?? '',
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: await response.text(),
      }
    }
    const [shown, refused] = [await answered(path), await answered('/contracts?limit=0')]
    for (const one of [
      shown,
      refused,
      await answered(`${path}/events`),
      await answered('/me'),
      await answered(path, 'POST'),
      await answered('/nowhere'),
    ]) {
      expect(judge(one), one.path).to.deep.equal([])
    }
    const faults = [
      { ...shown, status: 202 },
      { ...shown, body: shown.body.replace('"title"', '"name"') },
      { ...shown, headers: { ...shown.headers, link: '<x>' } },
      { ...shown, headers: { ...shown.headers, 'content-type': 'text/html' } },
      { ...shown, method: 'PUT' },
      { ...refused, body: refused.body.replace('"REQUEST_INVALID"', '"LAST_KEY"') },
      { ...refused, status: 409 },
    ]
    expect(faults.map((one) => judge(one).length)).to.deep.equal([1, 1, 1, 1, 1, 1, 1])
  })

  it('[HTTP-28] the reference page at /docs comes whole from the hub itself, without a line of inline script', async () => {
    const page = await fetch(`${hub.url}/docs/`)
    const html = await page.text()
    expect([page.status, page.headers.get('content-type')]).to.deep.equal([200, 'text/html; charset=utf-8'])
    const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, part]) => String(part))
    expect(parts).to.have.length(3)
    for (const part of parts) expect((await fetch(new URL(part, `${hub.url}/docs/`))).status, part).to.equal(200)
    expect(html).to.not.match(/<script(?![^>]*src=)|\son\w+=|style=/)
  })
})
