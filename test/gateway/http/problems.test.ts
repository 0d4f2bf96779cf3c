import { connect } from 'node:net'
import { expect } from 'chai'
import { listen } from '../../../server/gateway/listen.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { openContract } from '../../harness/people.ts'

interface Raw {
  status: number
  headers: Record<string, string>
  problem: Record<string, unknown>
}

/** Sends bytes as they are, and answers what came until the hub hung up. */
async function raw(url: string, bytes: string): Promise<Raw> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  // The hub may hang up while we still send.
  socket.on('error', () => undefined)
  socket.write(bytes)
  await new Promise((resolve) => socket.on('close', resolve))
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(lines.map((line) => [line.split(': ')[0]?.toLowerCase(), line.split(': ')[1]]))
  return { status: Number(first.split(' ')[1]), headers, problem: JSON.parse(body) as Raw['problem'] }
}

function mustBeProblem({ status, headers, problem }: Raw, expected: { status: number; code: string }): void {
  expect({ status, code: problem['code'] }).to.deep.equal(expected)
  expect(headers['content-type']).to.equal('application/problem+json')
  expect(headers['x-correlation-id']).to.equal(problem['correlation_id'])
  expect(problem).to.include.keys('type', 'title', 'status', 'instance', 'fix', 'retry')
}

describe('problems', () => {
  let hub: TestHub

  before(async () => {
    hub = await startHub()
  })
  after(() => hub.close())

  it('[HTTP-31] an id in a path that is none is refused on every route, and breaks none', async () => {
    const { paths } = (await (await fetch(`${hub.url}/openapi.json`)).json()) as { paths: Record<string, Record<string, unknown>> }
    const asked = Object.entries(paths).flatMap(([path, item]) =>
      path.includes('{')
        ? Object.keys(item).flatMap((method) => (/^(get|put|post|patch|delete)$/.test(method) ? [{ path, method }] : []))
        : [],
    )
    expect(asked.length).to.be.above(10)
    const answers: Record<string, number> = {}
    for (const { path, method } of asked) {
      for (const id of ['a'.repeat(5_000), '%00', '%F0%9F%90%8C', '$ne', '..%2Fusers']) {
        const url = hub.url + path.replaceAll(/\{\w+\}/g, id)
        const body = method === 'get' || method === 'delete' ? {} : { body: '{}', headers: { 'Content-Type': 'application/json' } }
        const authorization = { Authorization: `Bearer ${hub.operator_token}` }
        const response = await fetch(url, {
          method: method.toUpperCase(),
          ...body,
          headers: { ...body.headers, ...authorization, 'If-Match': '"x"' },
        })
        if (![404, 400, 403].includes(response.status)) answers[`${method} ${path} ${id.slice(0, 9)}`] = response.status
      }
    }
    expect(answers).to.deep.equal({})
  })

  it('[HTTP-24] a megabyte of headers is 431, bytes that are no HTTP 400, an unknown Expect 417: each as a problem', async () => {
    const request = 'GET /health HTTP/1.1\r\nHost: hub\r\n'
    mustBeProblem(await raw(hub.url, `${request}X-Big: ${'x'.repeat(1_000_000)}\r\n\r\n`), { status: 431, code: 'HEADERS_TOO_LARGE' })
    mustBeProblem(await raw(hub.url, `${request}${'X-Many: x\r\n'.repeat(10_000)}\r\n`), { status: 431, code: 'HEADERS_TOO_LARGE' })
    for (const garbage of [
      '\u0016\u0003\u0001hello',
      'NOISE /health HTTP/1.1\r\n\r\n',
      `${request}Content-Length: -1\r\n\r\n`,
      'GET / HTTP/9.9\r\n\r\n',
    ]) {
      mustBeProblem(await raw(hub.url, garbage), { status: 400, code: 'REQUEST_INVALID' })
    }
    const smuggled = 'POST /agents HTTP/1.1\r\nHost: hub\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
    mustBeProblem(await raw(hub.url, smuggled), { status: 400, code: 'REQUEST_INVALID' })
    mustBeProblem(await raw(hub.url, `${request}Expect: more\r\n\r\n`), { status: 417, code: 'EXPECTATION_FAILED' })
    expect((await fetch(`${hub.url}/health`)).status).to.equal(200)
  })

  it('[HTTP-24] a request that does not arrive in time is 408, and until the hub has started it is 503', async () => {
    const listening = await listen({ host: '127.0.0.1', port: 0, headers_ms: 200, request_ms: 400 })
    try {
      mustBeProblem(await raw(listening.url, 'GET /health HTTP/1.1\r\nHost: hub\r\n'), { status: 408, code: 'REQUEST_TOO_SLOW' })
      mustBeProblem(await raw(listening.url, 'GET /health HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n'), {
        status: 503,
        code: 'UNAVAILABLE',
      })
    } finally {
      await listening.close()
    }
  })

  it('[HTTP-24] garbage behind a good request does not end up in its answer', async () => {
    const { port, hostname } = new URL(hub.url)
    const socket = connect(Number(port), hostname)
    let text = ''
    socket.on('data', (data) => {
      text += data
    })
    socket.on('error', () => undefined)
    socket.write('GET /livez HTTP/1.1\r\nHost: hub\r\n\r\nGARBAGE\r\n\r\n')
    await new Promise((resolve) => socket.on('close', resolve))
    expect(text).to.match(/^HTTP\/1\.1 (200 OK|400 Bad Request)\r\n/)
    for (const [head, length] of text.matchAll(/Content-Length: (\d+)\r\n/gi)) expect(Number(length), head).to.be.lessThan(1_000)
  })

  it('[HTTP-25] a trace that comes in goes on in the answer and in the problem; one that is none begins anew', async () => {
    const ask = async (traceparent?: string) => {
      const response = await fetch(`${hub.url}/me`, { headers: traceparent === undefined ? {} : { traceparent } })
      const { correlation_id } = (await response.json()) as { correlation_id: string }
      const [version, trace_id, span_id, flags] = response.headers.get('traceparent')?.split('-') ?? []
      expect([version, trace_id], traceparent).to.deep.equal(['00', correlation_id])
      expect(response.headers.get('x-correlation-id')).to.equal(correlation_id)
      expect(span_id).to.match(/^[0-9a-f]{16}$/)
      return { correlation_id, span_id, flags }
    }
    const [trace, span] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
    for (const [given, flags] of [
      [`00-${trace}-${span}-01`, '01'],
      [`00-${trace}-${span}-00`, '00'],
      [`cc-${trace}-${span}-01`, '01'],
      [`cc-${trace}-${span}-01-what-the-future-holds`, '01'],
    ] as const) {
      const seen = await ask(given)
      expect([seen.correlation_id, seen.flags], given).to.deep.equal([trace, flags])
      expect(seen.span_id, given).to.not.equal(span)
    }
    const none = [
      ...[undefined, '', 'x', `ff-${trace}-${span}-01`, `00-${'0'.repeat(32)}-${span}-01`, `00-${trace}-${'0'.repeat(16)}-01`],
      ...[
        `00-${trace.toUpperCase()}-${span}-01`,
        `00-${trace}-${span}-01-more`,
        `00-${trace}-${span}-1`,
        `00-${trace.slice(1)}-${span}-01`,
      ],
    ]
    const made = new Set<string>()
    for (const given of none) {
      const { correlation_id } = await ask(given)
      expect(correlation_id, given)
        .to.match(/^[0-9a-f]{32}$/)
        .and.not.equal(trace)
      made.add(correlation_id)
    }
    expect(made.size).to.equal(none.length)
  })

  it('[HTTP-26] HEAD answers like GET without a body, and OPTIONS says what a route takes', async () => {
    const { contract_id, requester } = await openContract(hub)
    const headers = { authorization: `Bearer ${requester.bearer}` }
    for (const path of ['/me', `/contracts/${contract_id}`, '/contracts?limit=1', '/contracts?limit=0', '/contracts/x']) {
      const [get, head] = await Promise.all(['GET', 'HEAD'].map((method) => fetch(hub.url + path, { method, headers })))
      expect([head?.status, await head?.text()], path).to.deep.equal([get?.status, ''])
      for (const name of ['content-type', 'content-length', 'etag', 'link']) {
        expect(head?.headers.get(name), `${path} ${name}`).to.equal(get?.headers.get(name))
      }
    }
    const refused = await fetch(`${hub.url}/invitations`, { method: 'HEAD' })
    expect([refused.status, refused.headers.get('allow')]).to.deep.equal([405, 'POST, OPTIONS'])
    const options = await fetch(`${hub.url}/contracts`, { method: 'OPTIONS' })
    expect([options.status, options.headers.get('allow'), await options.text()]).to.deep.equal([204, 'POST, GET, HEAD, OPTIONS', ''])
    expect((await fetch(`${hub.url}/nowhere`, { method: 'OPTIONS' })).status).to.equal(404)
  })

  it('[HTTP-24] a body that is too large says how large it may be', async () => {
    const body = JSON.stringify({ name: 'x'.repeat(300_000) })
    const response = await fetch(`${hub.url}/agents`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const problem = (await response.json()) as { code: string; facts: object }
    expect([response.status, problem.code, problem.facts]).to.deep.equal([413, 'FRAME_TOO_LARGE', { frame_bytes: 262_144 }])
  })
})
