import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { expect } from 'chai'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, registerAgent } from '../../harness/people.ts'

interface Problem {
  code: string
  errors?: { pointer: string; detail: string }[]
}
interface Sent {
  status: number
  body: Problem & Record<string, unknown>
}

describe('bodies and queries', () => {
  let hub: TestHub

  before(async () => {
    hub = await startHub()
  })
  after(async () => {
    expect(hub.troubles).to.deep.equal([])
    await hub.close()
  })

  /** Bytes as they are; without a length they go in chunks. */
  function send(method: string, path: string, bytes: Buffer | undefined, headers: Record<string, string> = {}): Promise<Sent> {
    const bearer = `Bearer ${hub.operator_token}`
    return new Promise((resolve, reject) => {
      const given = { authorization: bearer, ...(bytes === undefined ? {} : { 'content-type': 'application/json' }), ...headers }
      const asked = request(hub.url + path, { method, headers: given }, (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('end', () => {
          const text = Buffer.concat(pieces).toString()
          resolve({ status: response.statusCode ?? 0, body: text === '' ? {} : JSON.parse(text) })
        })
      })
      asked.on('error', reject)
      asked.end(bytes)
    })
  }

  const chunked = { 'transfer-encoding': 'chunked' }
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  const faultOf = ({ status, body }: Sent) => [status, body.code, ...(body.errors ?? []).map(({ pointer }) => pointer)]

  it('[HTTP-38] every body that a route takes is strict in the document, at every depth', async () => {
    const { body } = await api<{ paths: Record<string, Record<string, { requestBody?: unknown }>>; components: { schemas: object } }>(
      hub,
      'GET',
      '/openapi.json',
    )
    const loose: string[] = []
    let count = 0
    const look = (where: string, schema: unknown): void => {
      if (typeof schema !== 'object' || schema === null) return
      if ('properties' in schema && 'type' in schema) {
        count++
        if (!('additionalProperties' in schema) || schema.additionalProperties !== false) loose.push(where)
      }
      for (const [name, part] of Object.entries(schema)) if (name !== 'example') look(`${where}/${name}`, part)
    }
    for (const [path, methods] of Object.entries(body.paths))
      for (const [method, { requestBody }] of Object.entries(methods)) look(`${method} ${path}`, requestBody)
    expect(loose).to.deep.equal([])
    expect(count).to.be.above(20)
  })

  it('[HTTP-38] a name that is not known is refused with its place, and nothing is made', async () => {
    const agent = await registerAgent(hub)
    const parties = { title: 'x', requester_id: randomUUID(), provider_id: agent.id }
    const money = { amount_micros: '1', currency: 'EUR' }
    const user = { email: 'ann@example.org', name: 'Ann', password: 'long enough for us', roles: ['requester'] }
    const rows: [string, string, object, ...string[]][] = [
      ['POST', '/agents', { name: 'x', wallet: '0x' }, '/wallet'],
      ['POST', '/agents', { name: 'x', 'a/b~': 1, c: 2 }, '/a~1b~0', '/c'],
      ['POST', '/contracts', { ...parties, permission: {} }, '/permission'],
      ['POST', '/contracts', { ...parties, value: { ...money, amount: 1 } }, '/value/amount'],
      ['POST', '/users', { ...user, role: 'admin' }, '/role'],
      ['POST', '/sessions', { email: user.email, password: user.password, otp: '1' }, '/otp'],
      ['POST', '/sign-in-links', { user: agent.id }, '/user'],
      ['PUT', `/agents/${agent.id}/permissions`, { can_fly: true }, '/can_fly'],
      // Of routes that read no body: what stands in one would be passed over.
      ['DELETE', `/agents/${agent.id}/keys/${randomUUID()}`, { reason: 'leaked' }, '/reason'],
      ['POST', `/users/${randomUUID()}/password-reset-links`, { expires_in: 60 }, '/expires_in'],
    ]
    for (const [method, path, body, ...pointers] of rows)
      expect(faultOf(await send(method, path, json(body), chunked)), `${method} ${path}`).to.deep.equal([
        400,
        'REQUEST_INVALID',
        ...pointers,
      ])
    const { items } = (await api<{ items: unknown[] }>(hub, 'GET', '/agents', { bearer: hub.operator_token })).body
    expect(items).to.have.length(1)
    expect((await send('DELETE', `/agents/${agent.id}/keys/${randomUUID()}`, json({}), chunked)).status, 'nothing in it').to.equal(404)
  })

  it('[HTTP-39] a body that is no UTF-8, or of another charset, is refused; what is kept reads back as it was sent', async () => {
    const named = (name: Buffer) => Buffer.concat([Buffer.from('{"name":"'), name, Buffer.from('"}')])
    const bad = { 'a lone byte': [0xff], 'half a letter': [0xc3], 'too long a form': [0xc0, 0xaf], 'a surrogate': [0xed, 0xa0, 0xbd] }
    for (const [what, bytes] of Object.entries(bad)) {
      const answer = await send('POST', '/agents', named(Buffer.from(bytes)))
      expect(faultOf(answer), what).to.deep.equal([400, 'REQUEST_INVALID', ''])
      expect(answer.body.errors?.[0]?.detail).to.equal('the body is not UTF-8')
    }
    for (const half of ['"\\ud83d"', '"\\udc00\\ud83d"'])
      expect(faultOf(await send('POST', '/agents', Buffer.from(`{"name":${half}}`)))).to.deep.equal([400, 'REQUEST_INVALID', '/name'])
    for (const charset of ['utf-16', 'utf-16le', 'latin1']) {
      const headers = { 'content-type': `application/json; charset=${charset}` }
      expect((await send('POST', '/agents', Buffer.from('{"name":"x"}', 'utf16le'), headers)).status, charset).to.equal(415)
    }
    for (const type of ['application/json; charset=UTF-8', 'application/json;charset="utf-8"', 'application/json; a=b']) {
      const { status, body } = await send('POST', '/agents', named(Buffer.from('Zoë \\ud83d\\ude00😀')), { 'content-type': type })
      expect(status, type).to.equal(201)
      const kept = await api<{ name: string }>(hub, 'GET', `/agents/${body['agent_id']}`, { bearer: String(body['api_key']) })
      expect(kept.body.name).to.equal('Zoë 😀😀')
    }
  })

  it('[HTTP-39] a query that is no UTF-8 is refused, where something is read from it', async () => {
    const agent = await registerAgent(hub)
    const path = `/agents/${agent.id}/keys/${randomUUID()}`
    for (const [method, asked] of [
      ['DELETE', `${path}?reason=%FF`],
      ['GET', '/audit?q=a%ED%A0%BD'],
      ['GET', '/audit?q=a?%FF'],
    ] as const) {
      expect(faultOf(await send(method, asked, undefined)), asked).to.deep.equal([400, 'REQUEST_INVALID', ''])
    }
    expect((await send('GET', '/audit?q=%C3%A9', undefined)).status).to.equal(200)
    expect((await send('DELETE', `${path}?reason=100%25+%F0%9F%98%80`, undefined)).status).to.equal(404)
  })

  it('[HTTP-40] a body of no bytes is none, however that is said: 400 where one is required', async () => {
    const agent = await registerAgent(hub)
    const asked: [string, string][] = [
      ['POST', '/agents'],
      ['POST', '/contracts'],
      ['PUT', `/agents/${agent.id}/permissions`],
      ['PATCH', `/agents/${agent.id}`],
    ]
    for (const [method, path] of asked) {
      const bearer = method === 'PATCH' ? { authorization: `Bearer ${agent.bearer}` } : {}
      for (const headers of [chunked, { 'content-length': '0' }, {}])
        expect(faultOf(await send(method, path, Buffer.alloc(0), { ...headers, ...bearer })), `${method} ${path}`).to.deep.equal([
          400,
          'REQUEST_INVALID',
          '',
        ])
    }
    for (const headers of [chunked, { 'content-length': '0' }]) {
      expect((await send('POST', '/sign-in-links', Buffer.alloc(0), headers)).status, 'all of it may be left out').to.equal(201)
      expect((await send('POST', '/sign-in-links', undefined, headers)).status, 'without a type').to.equal(201)
    }
    expect((await send('POST', '/sign-in-links', json({}), { ...chunked, 'content-type': 'text/plain' })).status).to.equal(415)
  })
})
