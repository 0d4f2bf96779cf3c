import { expect } from 'chai'
import type { Connection } from 'mongoose'
import { createBreather } from '../../../server/pipeline/background/breather.ts'
import { bytesOf, createEventStore, type EventStore, type StoredEvent } from '../../../server/pipeline/store/event-store.ts'
import { type Rig, say, sayAll, useRig } from './log-rig.ts'

const LONG = 'x'.repeat(60_000)
const MB = 1_048_576

/** What a room of long messages may cost the others. */
describe('the reads of the log', () => {
  const rig = useRig()

  it('[LOG-19] a read stops once it has 1 MB, and nothing is left out', async () => {
    const stream = await longRoom(rig, 60)
    const reads: StoredEvent[][] = []
    do reads.push(await rig.plain.read(stream, { after: reads.flat().length, limit: 500 }))
    while (reads.flat().length < 60)
    for (const read of reads) expect(bytesOf(read)).to.be.below(2 * MB)
    expect(reads.flat().map(({ seq }) => seq)).to.deep.equal(Array.from({ length: 60 }, (_, at) => at + 1))
    expect(await rig.plain.read(stream, { after: 0, limit: 500, most_bytes: 1 })).to.have.length(16)
    expect(await rig.plain.read(stream, { after: 0, limit: 5 })).to.have.length(5)
  })

  it('[LOG-19] who reads on where a read ended asks once for a page, and for no more than fit by the size of those before', async () => {
    const [short, long] = [rig.stream(), rig.stream()]
    const keys = Array.from({ length: 900 }, (_, at) => `key ${at}`)
    await sayAll(rig.otherLog(), short, keys)
    await sayLong(rig, long, 60)
    const asked: number[] = []
    const store = counting(rig.plain, asked)
    for (const after of [0, 400]) await store.read(short, { after, limit: 400 })
    expect(asked).to.deep.equal([16, 128, 256, 400])
    asked.length = 0
    const { length } = await store.read(long, { after: 0, limit: 500 })
    await store.read(long, { after: length, limit: 500 })
    expect(asked[0]).to.equal(16)
    expect(asked[1], 'of 60 KB, as many as are 1 MB').to.be.at.most(18)
  })

  it('[LOG-19] a room whose log takes many reads is folded to its head, and refreshed to it', async () => {
    const stream = await longRoom(rig, 60)
    const log = rig.otherLog()
    expect((await log.open(stream)).head).to.equal(60)
    await sayLong(rig, stream, 40, 'later')
    expect((await log.refresh(stream)).head).to.equal(100)
    const { events, head } = await log.page(stream, 0, 500)
    expect([events.at(0)?.seq, head]).to.deep.equal([1, 100])
    expect(bytesOf(events)).to.be.below(2 * MB)
  })

  it('[LOG-20] thirty who come back at places of one room: two reads at a time, and another room waits for none of the queue', async () => {
    const [busy, other] = [await longRoom(rig, 60), await longRoom(rig, 1)]
    const began: string[] = []
    const under_way = { now: 0, most: 0 }
    const held = Promise.withResolvers<void>()
    let isHeld = false
    const log = rig.createLog({
      store: watched(rig.plain, async (stream, read) => {
        began.push(stream)
        if (stream !== busy) return read()
        under_way.most = Math.max(under_way.most, ++under_way.now)
        if (isHeld) await held.promise
        return read().finally(() => under_way.now--)
      }),
    })
    await log.open(busy)
    began.length = 0
    isHeld = true
    const rooms = Promise.all(Array.from({ length: 30 }, (_, at) => log.roomAt(busy, 21 + at)))
    await log.open(other)
    expect(began.filter((stream) => stream === busy)).to.have.length(2)
    held.resolve()
    expect((await rooms).map(({ room }) => room.seq)).to.deep.equal(Array.from({ length: 30 }, (_, at) => 21 + at))
    expect(under_way.most).to.equal(2)
    expect(began.length).to.be.at.least(30)
  })

  it('[LOG-21] a fold of a long log lets the event loop go on after every 64 KB', async () => {
    const stream = await longRoom(rig, 60)
    const perTurn: number[] = [0]
    const counted = (stored: StoredEvent): StoredEvent => ({
      ...stored,
      get event() {
        perTurn[perTurn.length - 1] = (perTurn.at(-1) ?? 0) + stored.bytes
        return stored.event
      },
    })
    const log = rig.createLog({ store: watched(rig.plain, async (_, read) => (await read()).map(counted)) })
    await log.open(stream)
    perTurn.splice(0, perTurn.length, 0)
    let isOver = false
    const turn = () => {
      perTurn.push(0)
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    await log.roomAt(stream, 40)
    isOver = true
    expect(perTurn.reduce((sum, bytes) => sum + bytes)).to.be.above(40 * LONG.length)
    expect(Math.max(...perTurn)).to.be.below(65_536 + 2 * LONG.length)
  })

  it('[LOG-21] a breather is due by bytes alone', () => {
    const breathe = createBreather()
    expect([65_535, 1, 1, 70_000].map((bytes) => breathe(bytes) instanceof Promise)).to.deep.equal([false, true, false, true])
  })
})

/** A room of so many messages of 60 KB, which only their writer has at hand. */
async function longRoom(rig: Rig, messages: number): Promise<string> {
  const stream = rig.stream()
  await sayLong(rig, stream, messages)
  return stream
}

async function sayLong(rig: Rig, stream: string, messages: number, name = 'key'): Promise<void> {
  const log = rig.otherLog()
  await Promise.all(Array.from({ length: messages }, (_, at) => say(log, stream, { key: `${name} ${at}`, body: LONG })))
}

/** The store, with how many events each question asks for. */
function counting({ collection }: EventStore, asked: number[]): EventStore {
  const find = (range: object, options: { batchSize: number }) => {
    asked.push(options.batchSize)
    return collection.find(range, options)
  }
  // The cast holds: of a connection the store uses the model's collection alone, and a read its `find`.
  return createEventStore({ model: () => ({ collection: { find } }) } as unknown as Connection)
}

function watched(store: EventStore, watch: (stream: string, read: () => Promise<StoredEvent[]>) => Promise<StoredEvent[]>): EventStore {
  return { ...store, read: (stream, range) => watch(stream, () => store.read(stream, range)) }
}
