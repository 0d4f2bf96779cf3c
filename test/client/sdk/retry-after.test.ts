import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { createHttp } from '../../../client/sdk/http.ts'
import { RefusedError } from '../../../client/sdk/index.ts'

const HOUR_MS = 3_600_000
const problem = { code: 'RATE_LIMITED', title: 'Too many', fix: 'Wait', retry: 'later', correlation_id: 'x' }

describe('the pause that an HTTP answer asks for', () => {
  let server: Server
  let answer: { status: number; headers: Record<string, string>; body: string }

  before(async () => {
    server = createServer((_request, response) => response.writeHead(answer.status, answer.headers).end(answer.body)).listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  async function refusedBy(next: typeof answer): Promise<RefusedError> {
    answer = next
    const { port } = server.address() as AddressInfo
    const thrown = await createHttp({ url: `http://127.0.0.1:${port}`, token: 'x' })
      .me()
      .catch((error: unknown) => error)
    if (!(thrown instanceof RefusedError)) throw new Error(`not refused: ${thrown}`)
    return thrown
  }

  it('[SDK-31] is read from a bare Retry-After, in seconds or as a moment, whoever answers', async () => {
    const html = { 'content-type': 'text/html' }
    const proxy = await refusedBy({ status: 503, headers: { ...html, 'retry-after': '7' }, body: '<h1>Busy</h1>' })
    expect([proxy.code, proxy.retry, proxy.retry_after_ms]).to.deep.equal(['ANSWER_INVALID', 'later', 7_000])
    const bare = await refusedBy({ status: 429, headers: { 'retry-after': '3' }, body: JSON.stringify(problem) })
    expect([bare.code, bare.retry_after_ms]).to.deep.equal(['RATE_LIMITED', 3_000])
    const at = new Date(Date.now() + HOUR_MS).toUTCString()
    const moment = await refusedBy({ status: 503, headers: { 'retry-after': at }, body: '' })
    expect(moment.retry_after_ms).to.be.within(1, HOUR_MS)
    const none = await refusedBy({ status: 503, headers: { 'retry-after': 'soon' }, body: '' })
    expect(none.retry_after_ms).to.equal(0)
  })

  it('[SDK-31] the hub’s own facts, which are exact, come before the header', async () => {
    const body = JSON.stringify({ ...problem, facts: { retry_after_ms: 2_400 } })
    expect((await refusedBy({ status: 429, headers: { 'retry-after': '3' }, body })).retry_after_ms).to.equal(2_400)
  })
})
