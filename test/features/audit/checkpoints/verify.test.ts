import { expect } from 'chai'
import { api, connectAs, openContract, signUp } from '../../../harness/people.ts'
import { until } from '../../../scenarios/stage.ts'
import { type AuditStage, edit, MINUTE_MS, makeAnew, rowOf, setStage, swap } from './audit-stage.ts'

interface Tampering {
  /** Undefined: where the checkpoint is. */
  first_bad?: number
  fault: string
  how(stage: AuditStage): Promise<unknown>
}

const set = ({ events }: AuditStage, seq: number, change: object) => events.updateOne({ stream: 'audit:1', seq }, change)
const cutFrom = ({ events }: AuditStage, seq: number) => events.deleteMany({ stream: 'audit:1', seq: { $gte: seq } })

const tampering: Record<string, Tampering> = {
  'a word edited': { first_bad: 2, fault: 'changed', how: ({ events }) => edit(events, 2, { from: 'Ada', to: 'Eve' }) },
  'a number edited, with its digest': {
    ...{ first_bad: 4, fault: 'not_tied' },
    how: ({ events }) => edit(events, 4, { from: '"term":1', to: '"term":2', digest: true }),
  },
  'an event deleted': { first_bad: 5, fault: 'missing', how: ({ events }) => events.deleteOne({ stream: 'audit:1', seq: 5 }) },
  'two events swapped': { first_bad: 2, fault: 'changed', how: ({ events }) => swap(events, 2, 3) },
  'an event hidden from search': { first_bad: 3, fault: 'changed', how: (stage) => set(stage, 3, { $unset: { facets: '' } }) },
  'an event moved in time beside its text': {
    first_bad: 3,
    fault: 'changed',
    how: (stage) => set(stage, 3, { $set: { at: new Date(0) } }),
  },
  'the end cut off': { first_bad: 6, fault: 'cut_short', how: (stage) => cutFrom(stage, 6) },
  'everything deleted': { first_bad: 1, fault: 'cut_short', how: (stage) => cutFrom(stage, 1) },
  'the end cut off, and its checkpoints with it, under the eyes of the hub': {
    ...{ first_bad: 6, fault: 'cut_short' },
    async how(stage) {
      await cutFrom(stage, 6)
      await stage.checkpoints.deleteMany({})
    },
  },
  'all made anew': { fault: 'checkpoint_differs', how: ({ events }) => makeAnew(events, 3, 'Eve') },
  'all made anew, and the checkpoint changed to it': {
    fault: 'checkpoint_forged',
    async how({ events, checkpoints }) {
      await makeAnew(events, 3, 'Eve')
      for (const { _id, seq } of await checkpoints.find({ stream: 'audit:1' }).toArray())
        await checkpoints.updateOne({ _id }, { $set: { chain: (await rowOf(events, seq)).chain } })
    },
  },
}

describe('the audit trail: verify', () => {
  it('[AUDIT-9] a trail that nobody touched holds together, and a checkpoint signed by the hub vouches for it', async () => {
    const stage = await setStage()
    try {
      const verdict = await stage.verify()
      expect(verdict.ok).to.equal(true)
      expect(verdict.streams).to.have.length(1)
      expect(verdict.streams[0]).to.include({ stream: 'audit:1', ok: true })
      expect(verdict.streams[0]?.checkpoint).to.be.greaterThan(8)
      const { bearer } = await signUp(stage.hub())
      expect((await api(stage.hub(), 'GET', '/audit/verify', { bearer })).status).to.equal(403)
    } finally {
      await stage.close()
    }
  })

  for (const [what, { first_bad, fault, how }] of Object.entries(tampering)) {
    it(`[AUDIT-10] it is found and named: ${what}`, async () => {
      const stage = await setStage()
      try {
        const { checkpoint } = (await stage.one()) ?? {}
        await how(stage)
        expect(await stage.one()).to.include({ ok: false, fault, first_bad: first_bad ?? checkpoint })
        expect((await stage.verify()).ok).to.equal(false)
      } finally {
        await stage.close()
      }
    })
  }

  it('[AUDIT-38] in a room, who may read an event is found changed too: a note that was opened to all, and a message that was hidden', async () => {
    const stage = await setStage()
    try {
      const { contract_id, requester } = await openContract(stage.hub())
      const staff = await signUp(stage.hub(), ['reviewer'])
      const client = await connectAs(stage.hub(), staff)
      const said = async (visibility: 'all' | 'staff') =>
        (await client.must('message.post', { contract_id, key: visibility, body: 'hello', visibility })).seq
      const seqs = [await said('staff'), await said('all')]
      client.close()
      const verdict = async () =>
        (await api<object>(stage.hub(), 'GET', `/contracts/${contract_id}/log/verify`, { bearer: requester.bearer })).body
      expect(await verdict()).to.include({ ok: true })
      for (const [at, audience] of (['all', 'staff'] as const).entries()) {
        const row = { stream: `contract:${contract_id}`, seq: seqs[at] ?? 0 }
        await stage.events.updateOne(row, { $set: { audience } })
        expect(await verdict(), audience).to.include({ ok: false, fault: 'changed', first_bad: row.seq })
        await stage.events.updateOne(row, { $set: { audience: audience === 'all' ? 'staff' : 'all' } })
      }
      expect(await verdict()).to.include({ ok: true })
    } finally {
      await stage.close()
    }
  })

  it('[AUDIT-10] an end that was cut off while no hub ran is found, by the place that was signed last', async () => {
    const stage = await setStage()
    try {
      await stage.restart()
      const { head = 0 } = (await stage.one()) ?? {}
      await stage.restart()
      // Written by the hub that is gone: the one that runs now has its own.
      const row = await stage.checkpoints.findOne({ stream: 'audit:1' }, { sort: { _id: -1 } })
      expect(row?.seq).to.be.at.least(head)
      await cutFrom(stage, 6)
      await stage.checkpoints.deleteMany({ seq: { $gt: row?.seq ?? 0 } })
      expect(await stage.one()).to.include({ ok: false, fault: 'cut_short', first_bad: 6 })
    } finally {
      await stage.close()
    }
  })

  it('[AUDIT-11] a room’s log gets checkpoints too: its members read them, and verify goes by them', async () => {
    const stage = await setStage()
    try {
      const { contract_id, requester } = await openContract(stage.hub())
      const human = await connectAs(stage.hub(), requester)
      for (const key of ['a', 'b', 'c']) await human.must('message.post', { contract_id, key, body: key })
      human.close()
      stage.clock.advance(MINUTE_MS)
      await until('the room is signed', async () => (await stage.checkpoints.countDocuments({ stream: `contract:${contract_id}` })) > 0)
      const read = (path: string, { bearer } = requester) =>
        api<never>(stage.hub(), 'GET', `/contracts/${contract_id}/log/${path}`, { bearer })
      expect((await read('verify')).body).to.include({ ok: true, head: 4, checkpoint: 4 })
      const { items } = (await read('checkpoints')).body as { items: object[] }
      expect(items).to.have.length(1)
      expect(items[0]).to.include({ stream: `contract:${contract_id}`, seq: 4 })
      expect((await read('checkpoints', await signUp(stage.hub()))).status).to.equal(404)
      await stage.events.deleteMany({ stream: `contract:${contract_id}`, seq: { $gte: 4 } })
      expect((await read('verify')).body).to.include({ ok: false, first_bad: 4, fault: 'cut_short' })
    } finally {
      await stage.close()
    }
  })

  it('[AUDIT-11] of a room with more checkpoints than a page the newest are read too', async () => {
    const stage = await setStage()
    try {
      const { contract_id, requester } = await openContract(stage.hub())
      const stream = `contract:${contract_id}`
      const [made] = await stage.checkpoints.find({ stream: 'audit:1' }).toArray()
      if (made === undefined) throw new Error('no checkpoint')
      const rows = Array.from({ length: 25 }, (_, at) => ({
        ...made,
        _id: `${stream}:${String(at + 1).padStart(12, '0')}`,
        stream,
        seq: at + 1,
      }))
      await stage.checkpoints.insertMany(rows)
      const read = async (query: string) =>
        (await api<{ items: { seq: number }[] }>(stage.hub(), 'GET', `/contracts/${contract_id}/log/checkpoints${query}`, requester)).body
          .items
      const seqs: number[] = []
      for (let page = await read('?limit=10'); page.length > 0; page = await read(`?limit=10&after=${seqs.at(-1)}`))
        seqs.push(...page.map(({ seq }) => seq))
      expect(seqs).to.deep.equal(Array.from({ length: 25 }, (_, at) => at + 1))
      const { status } = await api(stage.hub(), 'GET', `/contracts/${contract_id}/log/checkpoints?limit=0`, requester)
      expect(status).to.equal(400)
    } finally {
      await stage.close()
    }
  })
})
