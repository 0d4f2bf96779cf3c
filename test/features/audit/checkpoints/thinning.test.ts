import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { type Transcript, verifyTranscript } from '../../../../scripts/lib/verify/verify-transcript.ts'
import type { Checkpoint, CheckpointKey, WireEvent } from '../../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../../shared/rules/canonical-json.ts'
import { api, connectAs, openContract } from '../../../harness/people.ts'
import { until } from '../../../scenarios/stage.ts'
import { type AuditStage, MINUTE_MS, setStage } from './audit-stage.ts'

const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

describe('the audit trail: checkpoints grow old', () => {
  let stage: AuditStage
  let contract_id: string

  beforeEach(async () => {
    stage = await setStage()
    const { clock } = stage
    clock.jump(DAY_MS - (clock.now() % DAY_MS))
    const opened = await openContract(stage.hub())
    contract_id = opened.contract_id
    const agent = await connectAs(stage.hub(), opened.provider)
    // Three in the first hour, two in the second, one on the next day; each minute that it went on is signed.
    for (const [key, wait_ms] of Object.entries({ a: 0, b: 0, c: 0, d: HOUR_MS, e: 0, f: DAY_MS })) {
      clock.jump(wait_ms)
      const { seq } = await agent.must('message.post', { contract_id, key, body: key })
      clock.advance(MINUTE_MS)
      await until('it is signed', async () => (await signed()).some((one) => one.seq === seq))
    }
    agent.close()
  })
  afterEach(() => stage.close())

  const read = async <T>(path: string) => (await api<T>(stage.hub(), 'GET', path, { bearer: stage.hub().operator_token })).body
  const signed = async () => (await read<{ items: Checkpoint[] }>(`/contracts/${contract_id}/log/checkpoints`)).items
  const seqs = async () => (await signed()).map(({ seq }) => seq)

  /** Lets the clock jump, and the hub's next look come. */
  async function grow(ms: number, left: number): Promise<void> {
    stage.clock.jump(ms)
    stage.clock.advance(HOUR_MS)
    await until('they are thinned', async () => (await signed()).length <= left)
  }

  it('[AUDIT-32] all of a day stay, then the last of each hour, then of each day; the newest always', async () => {
    expect(await seqs()).to.deep.equal([2, 3, 4, 5, 6, 7])
    await grow(2 * HOUR_MS, 3)
    expect(await seqs(), 'after a day').to.deep.equal([4, 6, 7])
    await grow(31 * DAY_MS, 2)
    expect(await seqs(), 'after a month').to.deep.equal([6, 7])
    expect(await read(`/contracts/${contract_id}/log/verify`)).to.include({ ok: true, head: 7, checkpoint: 7 })
    expect(await read('/audit/verify')).to.include({ ok: true })
  })

  it('[AUDIT-32] whatever is cut off or made anew before a checkpoint that stayed is found', async () => {
    await grow(31 * DAY_MS, 2)
    const { events } = await read<{ events: WireEvent[] }>(`/contracts/${contract_id}/events`)
    const { keys } = await read<{ keys: CheckpointKey[] }>('/audit/keys')
    const whole: Transcript = { contract_id, events, checkpoints: await signed(), keys }
    expect(verifyTranscript(whole)).to.include({ ok: true, head: 7 })
    for (let seq = 1; seq <= 7; seq++) {
      const cut = verifyTranscript({ ...whole, events: events.slice(0, seq - 1) })
      expect(cut, `cut off from ${seq}`).to.deep.include({ ok: false, seq })
      const anew = verifyTranscript({ ...whole, events: madeAnew(contract_id, events, seq) })
      expect(anew, `made anew from ${seq}`).to.include({ ok: false, fault: 'the checkpoint has another chain' })
    }
  })

  it('[AUDIT-33] the checkpoint that an export ended with stays', async () => {
    const trail = async () => (await stage.checkpoints.find({ stream: 'audit:1' }).sort({ _id: 1 }).toArray()).map(({ seq }) => seq)
    const before = await trail()
    const text = await (
      await fetch(`${stage.hub().url}/audit/export`, { headers: { authorization: `Bearer ${stage.hub().operator_token}` } })
    ).text()
    const last = JSON.parse(
      text
        .trim()
        .split('\n')
        .findLast((line) => line.includes('"kind":"checkpoint"')) ?? '',
    ) as Checkpoint
    expect(last.seq).to.equal(before.at(-1))
    // Another of the same hour, behind it.
    await openContract(stage.hub())
    stage.clock.advance(MINUTE_MS)
    await until('the trail went on', async () => (await trail()).length > before.length)
    await grow(31 * DAY_MS, 2)
    expect(await trail()).to.include(last.seq)
    expect(await read('/audit/verify')).to.include({ ok: true })
  })
})

/** The log with another text in one event, and every link behind it right: all that can be made without the hub's secret. */
function madeAnew(contract_id: string, events: readonly WireEvent[], from: number): unknown[] {
  let chain = createHash('sha256').update(`contract:${contract_id}`).digest()
  return events.map(({ chain: _, ...event }) => {
    const told = event.seq === from ? { ...event, at: '2020-01-01T00:00:00.000Z' } : event
    const digest = createHash('sha256').update(canonicalJson(told)).digest()
    chain = createHash('sha256')
      .update(Buffer.concat([chain, digest]))
      .digest()
    return { ...told, chain: chain.toString('hex') }
  })
}
