import { expect } from 'chai'
import { api, registerAgent } from '../../../harness/people.ts'
import { until } from '../../../scenarios/stage.ts'
import { settledTrail } from '../read-trail.ts'
import { type AuditStage, MINUTE_MS, makeAnew, setStage } from './audit-stage.ts'

const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

const tampering: Record<string, (stage: AuditStage) => Promise<unknown>> = {
  'made anew': ({ events }) => makeAnew(events, 3, 'Eve'),
  'its end cut off, and gone on from there': ({ events }) => events.deleteMany({ stream: 'audit:1', seq: { $gte: 6 } }),
}

describe('the audit trail: a log that contradicts its checkpoints', () => {
  for (const [what, tamper] of Object.entries(tampering)) {
    it(`[AUDIT-37] is told of once, and found however old it grows: ${what}`, async () => {
      const stage = await setStage()
      const { clock, checkpoints } = stage
      const sweeps = stage.connection.collection('sweeps')
      const rows = () => checkpoints.find({ stream: 'audit:1' }).sort({ _id: 1 }).toArray()
      const told = async () => {
        const path = '/audit?type=checkpoint.contradicted'
        return (await api<{ items: object[] }>(stage.hub(), 'GET', path, { bearer: stage.hub().operator_token })).body.items
      }
      /** Goes on by so much, and waits until that is signed. */
      const goOn = async (names: readonly string[]) => {
        const before = (await rows()).length
        for (const name of names) await registerAgent(stage.hub(), name)
        await settledTrail(stage.hub(), (trail) => names.every((name) => trail.some(({ data }) => data.metadata['name'] === name)))
        clock.advance(MINUTE_MS)
        await until('it is one more', async () => (await rows()).length > before)
      }
      try {
        clock.jump(DAY_MS - (clock.now() % DAY_MS))
        await checkpoints.deleteMany({})
        await goOn(['Ida'])
        await stage.hub().close()
        const honest = await rows()
        await tamper(stage)
        await stage.restart()
        expect(await told()).to.deep.equal([])
        // Past the place that was signed last, also from where the end was cut off.
        await goOn(['Jon', 'Kim', 'Lea', 'Max', 'Nia', 'Oda', 'Pia', 'Quin', 'Ria', 'Sam', 'Tom', 'Una'])
        await until('it is told', async () => (await told()).length > 0)
        const [alert] = await told()
        expect(alert).to.deep.include({ severity: 'security', subject: { type: 'log', id: 'audit:1' } })
        expect(alert).to.have.nested.include({ 'metadata.seq': honest.at(-1)?.seq, 'metadata.fault': 'checkpoint_differs' })
        await goOn(['Viv'])
        const young = (await rows()).length

        const { fault } = (await stage.one()) ?? {}
        expect(fault).to.equal('checkpoint_differs')
        clock.jump(26 * HOUR_MS)
        clock.advance(HOUR_MS)
        await until('the sweep is over', async () => ((await sweeps.findOne({}))?.['next_at'] ?? 0) > clock.now())
        const left = await rows()
        expect(left.length, 'thinned').to.be.lessThan(young)
        expect(left).to.deep.include(honest.at(-1))
        expect(await stage.one()).to.include({ ok: false, fault })
        expect(await told()).to.have.length(1)
      } finally {
        await stage.close()
      }
    })
  }
})
