import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'chai'
import { errorCodes, http } from '../../../shared/protocol/index.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, openContract, type Person, signUp } from '../../harness/people.ts'

interface Answer {
  headers: Record<string, unknown>
  content?: Record<string, { schema: object }>
}
interface Operation {
  operationId: string
  parameters: { name: string; in: string; required: boolean; schema: Record<string, unknown> }[]
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, Answer>
  security: object[]
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { properties: Record<string, { enum: string[] }> }>; securitySchemes: object }
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
    for (const [route, sides] of Object.entries(http) as [string, Record<string, unknown>][]) {
      const [method = '', path = ''] = route.replaceAll(/:(\w+)/g, '{$1}').split(' ')
      const told = operation(method.toLowerCase(), path)
      const body = told.requestBody?.content['application/json']?.schema
      const answer = told.responses['2XX']?.content?.['application/json']?.schema
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
    const { responses, parameters, security } = operation('post', '/contracts')
    expect(Object.keys(responses['429']?.headers ?? {})).to.include.members([
      'Retry-After',
      'RateLimit',
      'RateLimit-Policy',
      'X-Correlation-Id',
    ])
    expect(Object.keys(responses['2XX']?.headers ?? {})).to.include.members(['Idempotent-Replayed', 'Location', 'traceparent'])
    expect(Object.keys(operation('get', '/contracts').responses['2XX']?.headers ?? {})).to.include.members(['Link', 'ETag'])
    expect(parameters.map(({ name }) => name)).to.include('Idempotency-Key')
    expect(security).to.deep.equal([{ bearer: [] }, { cookie: [], csrf: [] }])
    expect(operation('get', '/health').security).to.deep.equal([])
    expect(operation('post', '/agents').security).to.deep.include({})
    expect(document.components.securitySchemes).to.have.keys('bearer', 'cookie', 'csrf')
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

  it('[HTTP-28] what the hub answers fits the document, refusals too', async () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: 'api', ...document })
    const fits = (schema: object, value: unknown, what: string) => {
      const validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object)
      expect(validate(value), `${what}: ${JSON.stringify(validate.errors)}`).to.equal(true)
    }
    const { contract_id } = await openContract(hub, { requester })
    for (const [told, path] of [
      ['/contracts', '/contracts?limit=1'],
      ['/contracts/{id}', `/contracts/${contract_id}`],
      ['/contracts/{id}/events', `/contracts/${contract_id}/events`],
      ['/contracts/{id}/search', `/contracts/${contract_id}/search?q=word`],
      ['/contracts/{id}/log/verify', `/contracts/${contract_id}/log/verify`],
      ['/me', '/me'],
    ] as const) {
      const { status, body } = await api(hub, 'GET', path, { bearer: requester.bearer })
      expect(status, path).to.equal(200)
      fits(operation('get', told).responses['2XX']?.content?.['application/json']?.schema ?? {}, body, path)
    }
    for (const path of ['/contracts?limit=0', '/contracts/x', '/nowhere', '/users']) {
      fits({ $ref: '#/components/schemas/Problem' }, (await api(hub, 'GET', path, { bearer: requester.bearer })).body, path)
    }
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
