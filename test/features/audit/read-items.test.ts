import { expect } from 'chai'
import { createReadItems } from '../../../server/features/audit/index.ts'
import { type EventDocument, type EventStore, eventId } from '../../../server/pipeline/store/event-store.ts'
import { say, useRig } from '../../pipeline/log/log-rig.ts'

const LONG = 'x'.repeat(60_000)
const EVENTS = 40

describe('the audit trail: what a page of it costs the others', () => {
  const rig = useRig()

  async function longEvents(): Promise<string[]> {
    const [stream, log] = [rig.stream(), rig.otherLog()]
    await Promise.all(Array.from({ length: EVENTS }, (_, at) => say(log, stream, { key: `${at}`, body: LONG })))
    return Array.from({ length: EVENTS }, (_, at) => eventId(stream, EVENTS - at))
  }

  it('[AUDIT-35] it reads sixteen events at a time, and the event loop goes on after every 64 KB of them', async () => {
    const ids = await longEvents()
    const queries: number[] = []
    const parsed = [0]
    const collection = watched(rig.plain, async (query) => {
      const rows = await query()
      queries.push(rows.length)
      return rows.map((row) => onParse(row, () => parsed.push((parsed.pop() ?? 0) + row.json.length)))
    })
    let isOver = false
    const turn = () => {
      parsed.push(0)
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    const items = await createReadItems({ collection })(ids, { asker_id: 'ada' })
    isOver = true
    expect(items.map(({ event_id }) => event_id)).to.deep.equal(ids)
    expect(queries).to.deep.equal([16, 16, 8])
    expect(parsed.reduce((sum, bytes) => sum + bytes)).to.be.above(EVENTS * LONG.length)
    expect(Math.max(...parsed)).to.be.below(65_536 + 2 * LONG.length)
  })

  it('[AUDIT-35] of one asker one read is under way, of all four', async () => {
    const ids = await longEvents()
    const under_way = { now: 0, most: 0 }
    const collection = watched(rig.plain, (query) => {
      under_way.most = Math.max(under_way.most, ++under_way.now)
      return query().finally(() => under_way.now--)
    })
    const readItems = createReadItems({ collection })
    await Promise.all(Array.from({ length: 6 }, () => readItems(ids, { asker_id: 'ada' })))
    expect(under_way.most).to.equal(1)
    await Promise.all(Array.from({ length: 8 }, (_, at) => readItems(ids, { asker_id: `asker ${at}` })))
    expect(under_way.most).to.equal(4)
  })
})

/** The store's collection, with what is asked of it watched where the driver answers. */
function watched(plain: EventStore, watch: (query: () => Promise<EventDocument[]>) => Promise<EventDocument[]>): EventStore['collection'] {
  return new Proxy(plain.collection, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name !== 'find') return member.bind(target)
      return (filter: object, options: object) => {
        const cursor = target.find(filter, options)
        const toArray = cursor.toArray.bind(cursor) as () => Promise<EventDocument[]>
        return Object.assign(cursor, { toArray: () => watch(toArray) })
      }
    },
  })
}

/** Whoever parses a document asks for its text first. */
function onParse(row: EventDocument, note: () => void): EventDocument {
  let isNoted = false
  return {
    ...row,
    get json() {
      if (!isNoted) note()
      isNoted = true
      return row.json
    },
  }
}
