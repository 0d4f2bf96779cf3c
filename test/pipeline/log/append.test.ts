import { expect } from 'chai'
import { expectWhole, faults, outcomeOf, type Rig, say, sayAll, useRig } from './log-rig.ts'

/** Every path of the append, one by one: a real database, a real store, and a fault between the store and the driver. */
describe('the append', () => {
  const rig = useRig()

  /** Two rooms that the hub has at hand, so that what is said in both in one moment is one commit. */
  async function warmRooms(log: ReturnType<Rig['createLog']>): Promise<[string, string]> {
    const rooms: [string, string] = [rig.stream(), rig.stream()]
    await Promise.all(rooms.map((stream) => say(log, stream, { key: 'first' })))
    rig.inserts.length = 0
    return rooms
  }

  it('[LOG-1] frames that come together are one commit, in the order in which they came', async () => {
    const log = rig.createLog()
    const [stream, other] = await warmRooms(log)
    const done = await Promise.all([sayAll(log, stream, ['a', 'b', 'c']), sayAll(log, other, ['d'])])
    expect(done).to.deep.equal([[2, 3, 4], [2]])
    expect(rig.inserts.map((documents) => documents.length)).to.deep.equal([4])
    await expectWhole(rig, stream, ['1 first', '2 a', '3 b', '4 c'])
  })

  it('[LOG-2] no reply, but committed: acknowledged with its place, and nothing is written twice', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    rig.plan.push(faults.committedWithoutReply)
    expect(await sayAll(log, stream, ['a', 'b'])).to.deep.equal([1, 2])
    expect(rig.inserts).to.have.lengthOf(1)
    await expectWhole(rig, stream, ['1 a', '2 b'])
  })

  it('[LOG-2] no reply, and not committed: the same bytes go again', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    rig.plan.push(faults.lostOnTheWay, faults.lostOnTheWay)
    expect(await sayAll(log, stream, ['a', 'b'])).to.deep.equal([1, 2])
    expect(rig.inserts).to.have.lengthOf(3)
    expect(rig.inserts[1]).to.deep.equal(rig.inserts[0])
    expect(rig.inserts[2]).to.deep.equal(rig.inserts[0])
    await expectWhole(rig, stream, ['1 a', '2 b'])
  })

  it('[LOG-2] no reply, and partly committed: what is there counts, the rest goes again byte for byte', async () => {
    const log = rig.createLog()
    const [stream, other] = await warmRooms(log)
    rig.plan.push(faults.partlyWithoutReply(2))
    const done = await Promise.all([sayAll(log, stream, ['a', 'b', 'c']), sayAll(log, other, ['d'])])
    expect(done).to.deep.equal([[2, 3, 4], [2]])
    expect(rig.inserts.map((documents) => documents.length)).to.deep.equal([4, 2])
    expect(rig.inserts[1]).to.deep.equal(rig.inserts[0]?.slice(2))
    await expectWhole(rig, stream, ['1 first', '2 a', '3 b', '4 c'])
    await expectWhole(rig, other, ['1 first', '2 d'])
  })

  const GIVEN_UP = {
    'a deadlock underneath a FerretDB': { code: 1, errmsg: 'deadlock detected' },
    'a full disk underneath a FerretDB': { code: 1, errmsg: 'could not extend file "base/5/1": No space left on device' },
    'a router that lost the server behind it': { code: 6, errmsg: 'Connection refused' },
    'a primary that stepped down': { code: 189 },
    'a server that is not the primary': { code: 10_107 },
    'a server that shuts down': { code: 11_600 },
    'a conflict with another write': { code: 112 },
    'a limit of time': { code: 262 },
  }

  for (const [what, error] of Object.entries(GIVEN_UP)) {
    it(`[LOG-31] given up for ${what}, a commit goes again byte for byte: nobody is refused, and nothing counts unread`, async () => {
      const log = rig.createLog()
      const [stream, other] = await warmRooms(log)
      // One of two that stand before it was taken back with it.
      rig.plan.push(faults.saysOf(2, error, 1))
      const done = await Promise.all([sayAll(log, stream, ['a', 'b', 'c']), sayAll(log, other, ['d'])])
      expect(done).to.deep.equal([[2, 3, 4], [2]])
      expect(rig.inserts.map((documents) => documents.length)).to.deep.equal([4, 3])
      expect(rig.inserts[1]).to.deep.equal(rig.inserts[0]?.slice(1))
      await expectWhole(rig, stream, ['1 first', '2 a', '3 b', '4 c'])
      await expectWhole(rig, other, ['1 first', '2 d'])
    })
  }

  it('[LOG-35] of what is said to be refused and is in the log, nobody is refused and nothing is written twice', async () => {
    const log = rig.createLog()
    const [stream, other] = await warmRooms(log)
    rig.plan.push(faults.saysOf(1, { code: 8_000 }, 4))
    const done = await Promise.all([sayAll(log, stream, ['a', 'b', 'c']), sayAll(log, other, ['d'])])
    expect(done).to.deep.equal([[2, 3, 4], [2]])
    expect(rig.inserts).to.have.lengthOf(1)
    await expectWhole(rig, stream, ['1 first', '2 a', '3 b', '4 c'])
    await expectWhole(rig, other, ['1 first', '2 d'])
  })

  it('[LOG-35] what stands before a document that is refused and is not in the log is not acknowledged, and goes again', async () => {
    const log = rig.createLog()
    const [stream, other] = await warmRooms(log)
    rig.plan.push(faults.saysOf(2, { code: 8_000 }, 0))
    const done = await Promise.all([sayAll(log, stream, ['a', 'b', 'c']), sayAll(log, other, ['d'])])
    expect(done).to.deep.equal([[2, 3, 4], [2]])
    expect(rig.inserts[1]).to.deep.equal(rig.inserts[0])
    await expectWhole(rig, stream, ['1 first', '2 a', '3 b', '4 c'])
  })

  it('[LOG-2] the commit whose reply was lost lands late, between the look and the second try', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    let late: (() => Promise<unknown>) | undefined
    rig.plan.push(
      async (run) => {
        late = () => run()
        throw new Error('no reply')
      },
      async (run, documents) => {
        await late?.()
        return run(documents)
      },
    )
    // The first try is found by its keys, so it reads as a duplicate; its place is the right one.
    expect(await sayAll(log, stream, ['a', 'b'])).to.deep.equal(['duplicate of 1', 'duplicate of 2'])
    await expectWhole(rig, stream, ['1 a', '2 b'])
  })

  it('[LOG-3] a write concern error acknowledges and refuses nobody before the log was read', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    rig.plan.push(faults.writeConcern)
    expect(await sayAll(log, stream, ['a', 'b'])).to.deep.equal([1, 2])
    expect(rig.troubles).to.include('no answer to a commit')
    expect(rig.inserts).to.have.lengthOf(1)
    await expectWhole(rig, stream, ['1 a', '2 b'])
  })

  it('[LOG-4] a document that the store does not take is refused alone, and those behind it move up', async () => {
    const log = rig.createLog()
    const [stream, other] = await warmRooms(log)
    rig.plan.push(faults.refusesAt(1))
    const done = await Promise.all([sayAll(log, stream, ['a', 'bad', 'c']), sayAll(log, other, ['d', 'e'])])
    expect(done).to.deep.equal([
      [2, 'fault: the store refused the event', 3],
      [2, 3],
    ])
    expect(rig.inserts[1], 'the other room: same bytes').to.deep.equal(rig.inserts[0]?.slice(3))
    await expectWhole(rig, stream, ['1 first', '2 a', '3 c'])
    await expectWhole(rig, other, ['1 first', '2 d', '3 e'])
  })

  it('[LOG-4] a document that cannot even be sent is refused alone: nothing waits behind it', async () => {
    const log = rig.createLog()
    const [stream, other] = await warmRooms(log)
    const huge = 'x'.repeat(17 * 1024 * 1024)
    const decide = () => ({ event: { type: 'message.posted' as const, data: { body: huge, visibility: 'all' as const } } })
    const done = await Promise.all([
      outcomeOf(say(log, other, { key: 'd' })),
      outcomeOf(say(log, stream, { key: 'a' })),
      outcomeOf(say(log, stream, { key: 'huge', decide })),
      outcomeOf(say(log, stream, { key: 'c' })),
    ])
    expect(done).to.deep.equal([2, 2, 'fault: the store refused the event', 3])
    await expectWhole(rig, stream, ['1 first', '2 a', '3 c'])
    await expectWhole(rig, other, ['1 first', '2 d'])
  })

  it('[LOG-5] another writer was first: its events are taken in, and the frames decided again behind them', async () => {
    const [log, stream, other] = [rig.createLog(), rig.stream(), rig.stream()]
    const rival = rig.otherLog()
    await sayAll(log, stream, ['a'])
    await sayAll(rival, stream, ['x', 'y'], 'eve')
    const done = await Promise.all([sayAll(log, stream, ['b', 'c']), sayAll(log, other, ['d'])])
    expect(done).to.deep.equal([[4, 5], [1]])
    await expectWhole(rig, stream, ['1 a', '2 x', '3 y', '4 b', '5 c'])
    await expectWhole(rig, other, ['1 d'])
  })

  it('[LOG-5] the frames of other rooms behind a conflict go first in the next commit, byte for byte', async () => {
    const log = rig.createLog()
    const [stream, other] = await warmRooms(log)
    await sayAll(rig.otherLog(), stream, ['x'], 'eve')
    rig.inserts.length = 0
    await Promise.all([sayAll(log, stream, ['b']), sayAll(log, other, ['d', 'e'])])
    const [first, second, third] = rig.inserts
    expect(first?.map(({ stream }) => stream)).to.deep.equal([stream, other, other])
    expect(second).to.deep.equal(first?.slice(1))
    expect(third?.map(({ _id }) => _id)).to.deep.equal([`${stream}:000000000003`])
  })

  it('[LOG-5] rooms that another node wrote to in the same moment are found out together, and decided again together', async () => {
    const log = rig.createLog()
    const [one, calm, two, far] = [rig.stream(), rig.stream(), rig.stream(), rig.stream()]
    const rooms = [one, calm, two, far]
    await Promise.all(rooms.map((stream) => say(log, stream, { key: 'first' })))
    const rival = rig.otherLog()
    const many = Array.from({ length: 20 }, (_, n) => `x${n}`)
    await Promise.all([sayAll(rival, one, ['x'], 'eve'), sayAll(rival, two, ['x', 'y'], 'eve'), sayAll(rival, far, many, 'eve')])
    rig.inserts.length = 0
    expect(await Promise.all(rooms.map((stream) => outcomeOf(say(log, stream, { key: 'b' }))))).to.deep.equal([3, 2, 4, 22])
    const [first, second, third] = rig.inserts
    expect(first?.map(({ stream }) => stream)).to.deep.equal(rooms)
    expect(second, 'the room that nobody wrote to: same bytes').to.deep.equal([first?.[1]])
    expect(third?.map(({ stream, seq }) => ({ stream, seq }))).to.deep.equal([
      { stream: one, seq: 3 },
      { stream: two, seq: 4 },
      { stream: far, seq: 22 },
    ])
    expect(rig.inserts).to.have.lengthOf(3)
    await expectWhole(rig, far, ['1 first', ...many.map((key, n) => `${n + 2} ${key}`), '22 b'])
  })

  /** For some inserts that hold the room, another node writes to it first. */
  function overtake(stream: string, times: number): void {
    const rival = rig.otherLog()
    let left = times
    for (let n = 0; n < 200; n++) {
      rig.plan.push(async (run, documents) => {
        if (left > 0 && documents.some((document) => document.stream === stream)) {
          left--
          await say(rival, stream, { by: 'eve', key: `x${n}` })
        }
        return run()
      })
    }
  }

  it('[LOG-5] a room that loses twice in a row goes without those that did not, turn about with them', async () => {
    const [log, stream, busy] = [rig.createLog(), rig.stream(), rig.stream()]
    await Promise.all([sayAll(log, stream, ['a']), sayAll(log, busy, ['c'])])
    overtake(stream, 4)
    rig.inserts.length = 0
    let isDone = false
    const endless = (async () => {
      for (let n = 0; !isDone; n++) await Promise.all([say(log, busy, { key: `p${n}` }), say(log, busy, { key: `r${n}` })])
    })()
    expect(await outcomeOf(say(log, stream, { key: 'b' }))).to.equal(6)
    isDone = true
    await endless
    const tries = rig.inserts.map((documents, at) => ({ at, streams: new Set(documents.map((document) => document.stream)) }))
    const own = tries.filter(({ streams }) => streams.has(stream))
    expect(own).to.have.lengthOf(5)
    for (const { streams } of own.slice(2)) expect([...streams]).to.deep.equal([stream])
    const pauses = own.slice(1).map(({ at }, n) => at - (own[n]?.at ?? 0))
    expect(Math.max(...pauses), 'inserts between two tries').to.be.lessThan(4)
    await expectWhole(rig, stream, [
      '1 a',
      ...(await rig.events(stream)).slice(1, 5).map(({ event }) => `${event.seq} ${event.key}`),
      '6 b',
    ])
  })

  it('[LOG-6] refused by the index, with nothing there yet that says why: tried again until it is seen', async () => {
    const [log, stream, other] = [rig.createLog(), rig.stream(), rig.stream()]
    await sayAll(log, stream, ['a'])
    rig.plan.push(faults.claimsDuplicateAt(0), undefined, faults.claimsDuplicateAt(0))
    const done = await Promise.all([sayAll(log, stream, ['b', 'c']), sayAll(log, other, ['d'])])
    expect(done).to.deep.equal([[2, 3], [1]])
    await expectWhole(rig, stream, ['1 a', '2 b', '3 c'])
  })
})
