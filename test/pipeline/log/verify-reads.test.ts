import { expect } from 'chai'
import type { Connection } from 'mongoose'
import { createEventStore, type EventDocument, type EventStore } from '../../../server/pipeline/store/event-store.ts'
import { createVerifyStream } from '../../../server/pipeline/store/verify-stream.ts'
import { say, useRig } from './log-rig.ts'

const LONG = 'x'.repeat(60_000)
const MB = 1_048_576

/** What hashing a log anew may cost the others. */
describe('the reads of a verification', () => {
  const rig = useRig()

  async function room(messages: number): Promise<string> {
    const [stream, log] = [rig.stream(), rig.otherLog()]
    await Promise.all(Array.from({ length: messages }, (_, at) => say(log, stream, { key: `${at}`, body: LONG })))
    return stream
  }

  it('[LOG-30] it reads by bytes, and lets everyone else have their turn after every 64 KB that it hashed', async () => {
    const stream = await room(60)
    const queries: number[] = []
    const hashed = [0]
    const store = watchedStore(rig.plain, async (_, query) => {
      const documents = await query()
      queries.push(documents.reduce((sum, { json }) => sum + json.length, 0))
      return documents.map((document) => onHash(document, () => hashed.push((hashed.pop() ?? 0) + document.json.length)))
    })
    let isOver = false
    const turn = () => {
      hashed.push(0)
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    const verdict = await createVerifyStream({ store })(stream, { asker_id: 'ada' })
    isOver = true
    expect(verdict).to.include({ ok: true, head: 60 })
    expect(Math.max(...queries)).to.be.below(2 * MB)
    expect(hashed.reduce((sum, bytes) => sum + bytes)).to.be.above(60 * LONG.length)
    expect(Math.max(...hashed)).to.be.below(65_536 + 2 * LONG.length)
  })

  it('[LOG-30] of one asker one page is under way, and whoever asks for many rooms keeps another waiting for one page', async () => {
    const rooms = await Promise.all(Array.from({ length: 6 }, () => room(2)))
    const others = await room(2)
    const began: string[] = []
    const under_way = { now: 0, most: 0 }
    const store = watchedStore(rig.plain, (stream, query) => {
      began.push(stream)
      under_way.most = Math.max(under_way.most, ++under_way.now)
      return query().finally(() => under_way.now--)
    })
    const verify = createVerifyStream({ store })
    const asked = rooms.map((stream) => verify(stream, { asker_id: 'ada' }))
    const verdicts = await Promise.all([...asked, verify(others, { asker_id: 'bob' })])
    expect(verdicts.map(({ ok }) => ok)).to.deep.equal(verdicts.map(() => true))
    expect(began.slice(0, 2)).to.deep.equal([rooms[0], others])
    expect(under_way.most).to.equal(2)
  })

  it('[LOG-30] who asks for one log twice at once shares one reading of it', async () => {
    const stream = await room(2)
    let reads = 0
    const store = watchedStore(rig.plain, (_, query) => {
      reads++
      return query()
    })
    const verify = createVerifyStream({ store })
    const [one, two] = await Promise.all([verify(stream, { asker_id: 'ada' }), verify(stream, { asker_id: 'ada' })])
    expect(one).to.equal(two)
    expect(reads).to.equal(1)
  })
})

/** The store over queries that are watched where the driver answers them, whoever of the store asks. */
function watchedStore(
  plain: EventStore,
  watch: (stream: string, query: () => Promise<EventDocument[]>) => Promise<EventDocument[]>,
): EventStore {
  const collection = new Proxy(plain.collection, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name !== 'find') return member.bind(target)
      return (filter: { _id: { $lte: string } }, options: object) => {
        const cursor = target.find(filter, options)
        const toArray = cursor.toArray.bind(cursor) as () => Promise<EventDocument[]>
        return Object.assign(cursor, { toArray: () => watch(filter._id.$lte.slice(0, filter._id.$lte.lastIndexOf(':')), toArray) })
      }
    },
  })
  // The cast holds: of a connection the store uses the model's collection alone.
  return createEventStore({ model: () => ({ collection }) } as unknown as Connection)
}

/** Whoever hashes a document compares with its digest. */
function onHash(document: EventDocument, note: () => void): EventDocument {
  let isNoted = false
  return {
    ...document,
    get digest() {
      if (!isNoted) note()
      isNoted = true
      return document.digest
    },
  }
}
