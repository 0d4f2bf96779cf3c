import { expect } from 'chai'
import fc from 'fast-check'
import { etagOf, requireMatch } from '../../../server/pipeline/http/conditional.ts'
import { mergePatch } from '../../../server/pipeline/http/merge-patch.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, connectAs, openContract } from '../../harness/people.ts'

describe('conditional requests', () => {
  let hub: TestHub

  before(async () => {
    hub = await startHub()
  })
  after(() => hub.close())

  it('[HTTP-12] a contract has an ETag; who has it already gets 304 without a body, and a new one after a change', async () => {
    const { contract_id, requester } = await openContract(hub)
    const get = (headers: Record<string, string> = {}) =>
      fetch(`${hub.url}/contracts/${contract_id}`, { headers: { authorization: `Bearer ${requester.bearer}`, ...headers } })
    const first = await get()
    const etag = first.headers.get('etag') ?? ''
    expect(etag).to.match(/^"[\w-]{22}"$/)
    expect(first.headers.get('cache-control')).to.equal('private, no-cache')
    for (const held of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const fresh = await get({ 'if-none-match': held })
      expect([fresh.status, fresh.headers.get('etag'), await fresh.text()], held).to.deep.equal([304, etag, ''])
    }
    for (const held of ['"other"', etag.slice(1, -1), 'nonsense']) expect((await get({ 'if-none-match': held })).status, held).to.equal(200)

    const client = await connectAs(hub, requester)
    await client.must('message.post', { contract_id, key: 'one', body: 'hello' })
    client.close()
    const changed = await get({ 'if-none-match': etag })
    expect(changed.status).to.equal(200)
    expect(changed.headers.get('etag')).to.not.equal(etag)
    const me = await fetch(`${hub.url}/me`, { headers: { authorization: `Bearer ${requester.bearer}`, 'if-none-match': '*' } })
    expect(me.status, 'without an ETag').to.equal(200)
    const stranger = await fetch(`${hub.url}/contracts/${contract_id}`, { headers: { 'if-none-match': '*' } })
    expect(stranger.status).to.equal(401)
  })

  it('[HTTP-12] If-Match: one of the tags passes, an old or weak one is 412, a missing one 428 where it is required, garbage 400', () => {
    const etag = etagOf({ b: 1, a: 2 })
    expect(etag).to.equal(etagOf({ a: 2, b: 1 }))
    const outcome = (given: string | undefined, options?: { required: boolean }) => {
      try {
        requireMatch(given === undefined ? {} : { 'if-match': given }, etag, options)
        return 'passes'
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    for (const given of [etag, '*', ' * ', `"x",${etag}`, `"x" , ${etag}`, undefined]) expect(outcome(given), given).to.equal('passes')
    for (const given of ['"x"', `W/${etag}`, '"a", "b"']) expect(outcome(given), given).to.equal('PRECONDITION_FAILED')
    for (const given of ['', etag.slice(1), 'x', `${etag} ${etag}`, `${etag},`]) expect(outcome(given), given).to.equal('REQUEST_INVALID')
    expect(outcome(undefined, { required: true })).to.equal('PRECONDITION_REQUIRED')
  })

  it('[HTTP-12] If-None-Match refuses a change of what is there, by * or by its version, and lets through one of another', async () => {
    const { contract_id, requester } = await openContract(hub)
    const headers = { authorization: `Bearer ${requester.bearer}`, 'content-type': 'application/json' }
    const path = `${hub.url}/contracts/${contract_id}/permissions`
    const put = async (given: string) => {
      const body = JSON.stringify({ can_access_web: true })
      return (await fetch(path, { method: 'PUT', headers: { ...headers, 'if-none-match': given }, body })).status
    }
    const etag = (await fetch(path, { headers })).headers.get('etag') ?? ''
    for (const given of ['*', etag, `"x", W/${etag}`]) expect(await put(given), given).to.equal(412)
    expect(await put('"x"')).to.equal(200)
    expect(await put(etag), 'it is another now').to.equal(200)
    expect((await fetch(path, { method: 'PUT', headers, body: '' })).status, 'nothing to put').to.equal(400)
  })

  it('[HTTP-41] If-Match of a reader: 412 unless it is what is there, by the strong comparison, before If-None-Match; nothing for a list', async () => {
    const { contract_id, requester, provider } = await openContract(hub)
    const get = (path: string, headers: Record<string, string>, method = 'GET') =>
      fetch(hub.url + path, { method, headers: { authorization: `Bearer ${requester.bearer}`, ...headers } })
    const read = await api<{ code?: string }>(hub, 'GET', '/openapi.json')
    const versioned = Object.entries((read.body as { paths?: Record<string, { get?: { responses: object } }> }).paths ?? {})
      .filter(([, { get: told }]) => told !== undefined && '304' in told.responses)
      .map(([path]) => path)
    expect(versioned).to.include.members(['/contracts/{id}', '/contracts/{id}/permissions', '/agents/{id}', '/openapi.json'])
    for (const path of [`/contracts/${contract_id}`, `/contracts/${contract_id}/permissions`, `/agents/${provider.id}`, '/openapi.json']) {
      const etag = (await get(path, {})).headers.get('etag') ?? ''
      for (const given of [etag, '*', `"x", ${etag}`]) expect((await get(path, { 'if-match': given })).status, path).to.equal(200)
      for (const given of ['"x"', `W/${etag}`]) {
        const refused = await get(path, { 'if-match': given, 'if-none-match': etag })
        expect([refused.status, ((await refused.json()) as { code: string }).code], path).to.deep.equal([412, 'PRECONDITION_FAILED'])
      }
      expect((await get(path, { 'if-match': '"x"' }, 'HEAD')).status, path).to.equal(412)
      expect((await get(path, { 'if-match': etag, 'if-none-match': '*' })).status, path).to.equal(304)
      expect((await get(path, { 'if-match': 'no tag' })).status, path).to.equal(400)
    }
    for (const path of ['/contracts', '/me']) expect((await get(path, { 'if-match': '"x"' })).status, path).to.equal(200)
  })

  it('[HTTP-37] what only some may read is kept by no cache, unless it has a version to ask by', async () => {
    const { contract_id, requester } = await openContract(hub)
    const headers = { authorization: `Bearer ${requester.bearer}` }
    const kept = async (path: string) => (await fetch(hub.url + path, { headers })).headers.get('cache-control')
    for (const path of ['/contracts', `/contracts/${contract_id}/events`, '/me']) expect(await kept(path), path).to.equal('no-store')
    for (const path of [`/contracts/${contract_id}`, `/contracts/${contract_id}/permissions`])
      expect(await kept(path), path).to.equal('private, no-cache')
  })

  it('[HTTP-13] a merge patch does what the examples of RFC 7396 say', () => {
    const examples: [unknown, unknown, unknown][] = [
      [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
      [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
      [{ a: 'b' }, { a: null }, {}],
      [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
      [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
      [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
      [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
      [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
      [
        ['a', 'b'],
        ['c', 'd'],
        ['c', 'd'],
      ],
      [{ a: 'b' }, ['c'], ['c']],
      [{ a: 'foo' }, null, null],
      [{ a: 'foo' }, 'bar', 'bar'],
      [{ e: null }, { a: 1 }, { e: null, a: 1 }],
      [[1, 2], { a: 'b', c: null }, { a: 'b' }],
      [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    ]
    for (const [target, patch, result] of examples) expect(mergePatch(target, patch)).to.deep.equal(result)
    const hostile = JSON.parse('{"__proto__":{"isAdmin":true}}')
    expect(Object.keys(mergePatch({}, hostile) as object)).to.deep.equal(['__proto__'])
    expect(({} as { isAdmin?: boolean }).isAdmin).to.equal(undefined)
  })

  it('[HTTP-13] a merge patch applied twice is a patch applied once, and neither value is changed', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
        const before = JSON.stringify([target, patch])
        const once = mergePatch(target, patch)
        expect(mergePatch(once, patch)).to.deep.equal(once)
        expect(JSON.stringify([target, patch])).to.equal(before)
      }),
    )
  })
})
