import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { verifyExport } from '../../../scripts/lib/verify/verify-export.ts'
import type { CheckpointKey } from '../../../shared/protocol/index.ts'
import { api, signUp } from '../../harness/people.ts'
import { advanceUntil } from '../../scenarios/stage.ts'
import { runProgram } from '../../scripts/run-program.ts'
import { type AuditStage, MINUTE_MS, rowOf, setStage } from './checkpoints/audit-stage.ts'
import { settledTrail } from './read-trail.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))

describe('the audit trail: export', () => {
  let stage: AuditStage
  let lines: string[]
  let keys: CheckpointKey[]
  let folder: string

  before(async () => {
    stage = await setStage()
    folder = await mkdtemp(join(tmpdir(), 'parley-export-'))
    lines = await linesOf(await ask(''))
    keys = (await api<{ keys: CheckpointKey[] }>(stage.hub(), 'GET', '/audit/keys')).body.keys
  })
  after(async () => {
    await stage.close()
    await rm(folder, { recursive: true, force: true })
  })

  const ask = (query: string, bearer = stage.hub().operator_token) =>
    fetch(`${stage.hub().url}/audit/export${query}`, { headers: { authorization: `Bearer ${bearer}` } })
  const linesOf = async (response: Response) => (await response.text()).trimEnd().split('\n')
  async function* each(texts: readonly string[]) {
    yield* texts
  }
  const check = (texts: readonly string[], trusted = keys) => verifyExport(each(texts), trusted)

  async function verifyBy(args: string[], token = ''): Promise<{ code: number | null; said: string }> {
    const env = { PARLEY_TOKEN: token }
    const program = runProgram({ command: process.execPath, args: ['scripts/verify.ts', ...args], cwd: project, env })
    return { code: await program.ended, said: program.said() }
  }

  it('[AUDIT-12] the whole trail is exported as lines of JSON that are checked without the hub, signatures too', async () => {
    const found = await check(lines)
    expect(found.ok).to.equal(true)
    const [stream] = found.ok ? found.streams : []
    expect(stream).to.include({ stream: 'audit:1', from: 0 })
    expect(stream?.signed?.kid).to.equal(keys[0]?.kid)
    const types = lines.map((line) => JSON.parse(line).event?.type).filter(Boolean)
    expect(types.slice(0, 2)).to.deep.equal(['hub.started', 'agent.registered'])
    const trail = await settledTrail(stage.hub(), (events) => events.some(({ type }) => type === 'audit.exported'))
    expect(trail.find(({ type }) => type === 'audit.exported')?.data.actor.type).to.equal('human')
  })

  it('[AUDIT-12] what was changed, cut, left out, signed by another or not signed at all is found in an export', async () => {
    const at = lines.findIndex((line) => line.includes('Ben'))
    const signed = lines.findIndex((line) => line.includes('"kind":"checkpoint"'))
    const cases: Record<string, string[]> = {
      'an edited line': lines.with(at, (lines[at] ?? '').replace('Ben', 'Eve')),
      'a line left out': lines.toSpliced(at, 1),
      'two lines swapped': lines.with(at, lines[at + 1] ?? '').with(at + 1, lines[at] ?? ''),
      'the end cut off': lines.slice(0, -1),
      'an event cut off before its checkpoint': lines.toSpliced(signed - 1, 1),
      'another signature': lines.with(signed, (lines[signed] ?? '').replace(/"signature":"..../, '"signature":"____')),
      'no line of an export': lines.with(at, 'nonsense'),
      nothing: [],
    }
    for (const [what, texts] of Object.entries(cases)) expect(await check(texts), what).to.include({ ok: false })
    // The public key of RFC 8032's first example.
    const x = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex').toString('base64url')
    expect(
      await check(
        lines,
        keys.map((key) => ({ ...key, x })),
      ),
      'by the key of another',
    ).to.include({ ok: false })
    expect(await check(lines, []), 'without keys').to.include({ ok: false })
  })

  it('[AUDIT-12] an export goes on behind an earlier one, from the chain that it names', async () => {
    const after = 4
    const more = await linesOf(await ask(`?stream=audit:1&after=${after}`))
    const before = lines.map((line) => JSON.parse(line).event).find((event) => event?.seq === after)
    expect(JSON.parse(more[0] ?? '')).to.deep.equal({ kind: 'stream', stream: 'audit:1', after, chain: before.chain })
    expect(await check(more)).to.include({ ok: true })
    for (const query of ['after=4', 'stream=contract:1', 'stream=audit:1&after=999999', 'from=1'])
      expect((await ask(`?${query}`)).status, query).to.equal(400)
    expect((await ask('', (await signUp(stage.hub())).bearer)).status).to.equal(403)
  })

  /** More than the buffers between the hub and a reader hold, in a stream of its own. */
  async function fill(stream: string, from: number, count: number): Promise<void> {
    const template = await rowOf(stage.events, 1)
    const json = JSON.stringify({ pad: 'x'.repeat(10_000) })
    const rows = Array.from({ length: count }, (_, at) => ({
      ...{
        ...template,
        stream,
        _id: `${stream}:${String(from + at).padStart(12, '0')}`,
        seq: from + at,
        key: `${stream} ${from + at}`,
        json,
      },
    }))
    for (let at = 0; at < rows.length; at += 500) await stage.events.insertMany(rows.slice(at, at + 500))
  }

  /** An export of which the reader has taken the first part. */
  async function beginExport(stream: string, bearer: string) {
    const { port, hostname } = new URL(stage.hub().url)
    const socket = connect(Number(port), hostname).on('error', () => undefined)
    socket.write(`GET /audit/export?stream=${stream} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Bearer ${bearer}\r\n\r\n`)
    const [first] = (await once(socket, 'data')) as [Buffer]
    socket.pause()
    return {
      socket,
      rest: async () => {
        const parts = [first]
        socket.on('data', (part) => parts.push(part)).resume()
        if (!socket.closed) await once(socket, 'close')
        const text = Buffer.concat(parts).toString()
        return { events: text.split('"kind":"event"').length - 1, isWhole: text.includes('"kind":"end"') }
      },
    }
  }

  describe('while it is read', () => {
    before(() => fill('audit:2', 1, 4_000))
    after(() => stage.events.deleteMany({ stream: 'audit:2' }))

    it('[AUDIT-30] an export ends where the trail ended when it began', async () => {
      const reader = await beginExport('audit:2', stage.hub().operator_token)
      await fill('audit:2', 4_001, 10)
      expect(await reader.rest()).to.deep.equal({ events: 4_000, isWhole: true })
    })

    it('[AUDIT-30] an export breaks off when its reader may not read the trail any more', async () => {
      const { id, bearer } = await signUp(stage.hub(), ['reviewer'])
      const reader = await beginExport('audit:2', bearer)
      const disabled = { body: { status: 'disabled' }, bearer: stage.hub().operator_token }
      expect((await api(stage.hub(), 'PATCH', `/users/${id}`, disabled)).status).to.equal(200)
      const { events, isWhole } = await reader.rest()
      expect({ isWhole, isCut: events < 4_000 }).to.deep.equal({ isWhole: false, isCut: true })
    })

    it('[AUDIT-30] an export that nobody takes is given up after a minute', async () => {
      const { socket, rest } = await beginExport('audit:2', stage.hub().operator_token)
      // A paused reader sees the end of its connection when it writes.
      const isCut = () => {
        if (!socket.closed) socket.write('\r\n')
        return socket.closed
      }
      await advanceUntil(stage.clock, 'it is given up', isCut, MINUTE_MS)
      expect((await rest()).isWhole).to.equal(false)
    })
  })

  it('[AUDIT-13] scripts/verify fetches the trail, keeps it, and checks it again later by keys that were kept', async () => {
    const [file, kept] = [join(folder, 'trail.ndjson'), join(folder, 'keys.json')]
    await writeFile(kept, JSON.stringify({ keys }))
    const sound = /^ok, audit:1, head \d+, chain [0-9a-f]{64}, signed to \d+ by ed25519-[0-9a-f]{16}\n$/
    for (const args of [[`${stage.hub().url}/audit`], [`${stage.hub().url}/audit`, '--save', file]]) {
      const { code, said } = await verifyBy(args, stage.hub().operator_token)
      expect({ code, isSound: sound.test(said) }, said).to.deep.equal({ code: 0, isSound: true })
    }
    expect((await verifyBy([file, '--keys', kept])).said).to.match(sound)
    await writeFile(file, `${lines.join('\n').replace('Cleo', 'Clea')}\n`)
    const changed = await verifyBy([file, '--keys', kept])
    expect(changed.code).to.equal(1)
    expect(changed.said).to.match(/^bad at audit:1 seq \d+: the event does not fit its chain/)
    expect((await verifyBy([`${stage.hub().url}/audit`])).said).to.include('PARLEY_TOKEN is not set')
  })
})
