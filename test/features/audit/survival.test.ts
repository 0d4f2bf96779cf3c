import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createAuditWriter } from '../../../server/features/audit/index.ts'
import { actorOf } from '../../../server/pipeline/audit.ts'
import type { Draft } from '../../../server/pipeline/log/submission.ts'
import { type LogVerdict, ParleyError } from '../../../shared/protocol/index.ts'
import { createManualClock } from '../../harness/clock.ts'
import { startHub } from '../../harness/hub.ts'
import { api, registerAgent } from '../../harness/people.ts'
import { freePort, startHubProcess } from '../../harness/processes/hub-process.ts'
import { readTrail, settledTrail } from './read-trail.ts'

interface Verdict {
  ok: boolean
  streams: (LogVerdict & { stream: string })[]
}

const verify = async (hub: { url: string; operator_token: string }) =>
  (await api<Verdict>(hub, 'GET', '/audit/verify', { bearer: hub.operator_token })).body

/** A log that is away until it is let back, and keeps what it was given. */
function logThatComesBack() {
  let isAway = true
  const written: Draft[] = []
  return {
    written,
    comeBack: () => {
      isAway = false
    },
    sink: {
      stream: () => 'audit:1',
      submit: (draft: Draft) => {
        if (isAway) return Promise.reject(new ParleyError('UNAVAILABLE'))
        written.push(draft)
        return Promise.resolve({} as never)
      },
    },
  }
}

const somebody = actorOf({ kind: 'user', id: 'ada' })
const about = (id: string) => ({ type: 'agent.updated' as const, actor: somebody, subject: { type: 'agent', id } })
const typesOf = (written: readonly Draft[]) =>
  written
    .map((draft) => draft.decide({} as never, {} as never).event)
    .map(({ type, data }) => [type, (data as { metadata: object }).metadata])

describe('the audit trail: what it survives', () => {
  it('[AUDIT-14] two hubs on one database write two streams, and both hold together; the next hub takes a stream that was left', async () => {
    const one = await startHub()
    const two = await startHub({ like: one })
    await Promise.all([registerAgent(one, 'Ada'), registerAgent(two, 'Ben')])
    await settledTrail(one, (events) => events.filter(({ type }) => type === 'agent.registered').length === 2)
    expect((await readTrail(one)).streams).to.deep.equal(['audit:1', 'audit:2'])
    expect((await verify(one)).streams.map(({ stream, ok }) => [stream, ok])).to.deep.equal([
      ['audit:1', true],
      ['audit:2', true],
    ])
    await two.close()
    const three = await startHub({ like: one })
    await settledTrail(one, (events) => events.filter(({ type }) => type === 'hub.started').length === 3)
    expect((await readTrail(one)).streams).to.deep.equal(['audit:1', 'audit:2'])
    expect((await verify(three)).ok).to.equal(true)
    await three.close()
    await one.close()
  })

  it('[AUDIT-15] kill -9 in the middle of writing: what was answered is recorded, and the trail holds together', async function () {
    this.timeout(180_000)
    const data_dir = await mkdtemp(join(tmpdir(), 'parley-kill-'))
    const port = await freePort()
    const rates = { PARLEY_RATES: JSON.stringify({ register: { q: 1_000_000, w: 60 } }) }
    const hub = await startHubProcess({ data_dir, port, env: rates })
    const answered: string[] = []
    let isGone = false
    const registering = Array.from({ length: 4 }, async () => {
      while (!isGone)
        await registerAgent(hub)
          .then(({ id }) => id && answered.push(id))
          .catch(() => {})
    })
    while (answered.length < 40) await new Promise((resolve) => setTimeout(resolve, 20))
    await hub.kill()
    isGone = true
    await Promise.all(registering)
    const again = await startHubProcess({ data_dir, port, env: rates })
    const verdict = await verify(again)
    expect(verdict.ok, JSON.stringify(verdict)).to.equal(true)
    for (const id of answered) {
      const { body } = await api<{ items: unknown[] }>(again, 'GET', `/audit?type=agent.registered&subject=agent:${id}`, {
        bearer: again.operator_token,
      })
      expect(body.items, id).to.have.length(1)
    }
    expect(await again.stop()).to.equal(0)
    await rm(data_dir, { recursive: true, force: true })
  })

  it('[AUDIT-16] without the database what must be recorded first is refused, and the rest is kept, in order, up to a bound that is told', async () => {
    const dropped: number[] = []
    const writer = createAuditWriter({
      ...{ clock: createManualClock(), meter: { dropped: () => dropped.push(1) }, onTrouble: () => {} },
      bounds: { waiting: 3 },
    })
    const log = logThatComesBack()
    writer.open(log.sink)
    const refused = await writer.recordNow(about('now')).catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(ParleyError).and.to.have.property('code', 'UNAVAILABLE')
    for (const id of ['1', '2', '3', '4', '5']) writer.record({ ...about(id), metadata: { id } })
    expect([writer.waiting(), dropped.length]).to.deep.equal([3, 2])
    log.comeBack()
    while (log.written.length < 4) await new Promise((resolve) => setTimeout(resolve, 10))
    const told = typesOf(log.written)
    expect(told.slice(0, 3)).to.deep.equal(['1', '2', '3'].map((id) => ['agent.updated', { id }]))
    expect(told[3]?.[0]).to.equal('audit.dropped')
    expect(told[3]?.[1]).to.include({ dropped: 2 })
    await writer.close()
  })

  it('[AUDIT-17] what looks like a secret is taken out of what is told, by its name and by its shape, and long texts are cut', async () => {
    const writer = createAuditWriter({ clock: createManualClock(), meter: { dropped: () => {} }, onTrouble: () => {} })
    const log = logThatComesBack()
    log.comeBack()
    writer.open(log.sink)
    const secrets = {
      key_in_text: 'it was pk_agent_live_0123456789012345678901234567890123456789012345678 then',
      address: 'postgres://me:hunter2hunter2@db.invalid/x',
      link: 'https://x.invalid/app/sign-in#token=abcdefghijklmnop',
      jwt: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl',
      hook: 'whsec_0123456789abcdef',
      header: 'Bearer abcdefgh12345678',
      password: 'correct horse',
      nested: { api_key: 'anything', list: ['ghp_0123456789abcdefghij'] },
    }
    writer.record({ ...about('1'), metadata: { ...secrets, long: 'x'.repeat(5_000), plain: 'as it is' } })
    await writer.close()
    const [[, metadata] = []] = typesOf(log.written)
    const text = JSON.stringify(metadata)
    for (const part of ['0123456789', 'hunter2', 'abcdefghijklmnop', 'c2lnbmF0dXJl', 'abcdefgh12345678', 'correct horse', 'anything'])
      expect(text, part).to.not.include(part)
    expect(metadata).to.include({ plain: 'as it is', address: 'postgres://[redacted]@db.invalid/x' })
    expect(text.length).to.be.lessThan(1_500)
  })
})
