import { expect } from 'chai'
import { createAuditModels, createReadItems, createTrailReader } from '../../../../server/features/audit/index.ts'
import { createEventStore, eventId } from '../../../../server/pipeline/store/event-store.ts'
import { createManualClock } from '../../../harness/clock.ts'
import { startHub } from '../../../harness/hub.ts'
import { openContract } from '../../../harness/people.ts'
import { openDatabaseOf, readLog } from '../../../scenarios/stage.ts'

describe('the audit trail, live: where a reader begins', () => {
  it('[AUDIT-34] who begins to follow keeps so many of the last minute’s events in mind and no more, is told none of them, and all that comes', async () => {
    const clock = createManualClock()
    const hub = await startHub({ clock })
    const database = await openDatabaseOf(hub)
    const store = createEventStore(database)
    const reader = createTrailReader({
      store,
      readItems: createReadItems(store),
      models: createAuditModels(database),
      clock,
      most_behind: 3,
    })
    const facets = ['type:contract.opened']
    const look = { asker_id: 'ada', facets, limit: 100, isThorough: true }
    const open = async () => (await openContract(hub)).contract_id

    for (let n = 0; n < 3; n++) await open()
    const within = await reader.here(facets)
    expect([within.seen.size, within.from_ms]).to.deep.equal([3, clock.now() - 60_000])
    clock.advance(1_000)
    const last: string[] = []
    for (let n = 0; n < 3; n++) {
      last.push(await open())
      clock.advance(1)
    }
    const place = await reader.here(facets)
    expect([...place.seen.keys()].toSorted()).to.deep.equal(last.map((id) => eventId(`contract:${id}`, 1)).toSorted())
    expect(place.from_ms, 'the three before these are behind it').to.equal(clock.now() - 1_002)
    expect(await reader.next(place, look)).to.deep.include({ items: [], isDry: true })
    const fresh = await open()
    const { items } = await reader.next(place, look)
    expect(items.map(({ stream }) => stream)).to.deep.equal([`contract:${fresh}`])
    expect((await readLog(hub, fresh)).length).to.equal(1)
    await database.close()
    await hub.close()
  })
})
