import { expect } from 'chai'
import type { Log } from '../../../server/pipeline/log/log.ts'
import { createVerifyStream } from '../../../server/pipeline/store/verify-stream.ts'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { emptyRoom, evolve } from '../../../shared/rules/evolve.ts'
import { until } from '../../scenarios/stage.ts'
import { bodiesOf, expectWhole, faults, outcomeOf, person, rigSnapshots, say, sayAll, useRig } from './log-rig.ts'

/** What a frame is answered: by its key, by a room that is fresh, and alone when it or its room is broken. */
describe('the answers of the append', () => {
  const rig = useRig()

  for (const restarted of [false, true]) {
    const where = restarted ? 'after a restart' : 'in the same hub'
    it(`[LOG-7] the same key again ${where}: the original place for the same payload, KEY_REUSED for another`, async () => {
      const [first, stream] = [rig.createLog(), rig.stream()]
      await sayAll(first, stream, ['a', 'b'])
      const log = restarted ? rig.createLog({ publish: () => {} }) : first
      const done = await Promise.all([
        outcomeOf(say(log, stream, { key: 'a' })),
        outcomeOf(say(log, stream, { key: 'c' })),
        outcomeOf(say(log, stream, { key: 'b', body: 'something else' })),
        outcomeOf(say(log, stream, { key: 'a', by: 'eve' })),
        outcomeOf(say(log, stream, { key: 'c' })),
      ])
      expect(done).to.deep.equal(['duplicate of 1', 3, 'KEY_REUSED', 4, 'duplicate of 3'])
      expect(bodiesOf(await rig.events(stream))).to.deep.equal(['1 a', '2 b', '3 c', '4 a'])
    })
  }

  it('[LOG-7] a key that another node recorded is found, though this node never saw it', async () => {
    const [log, rival, stream] = [rig.createLog(), rig.otherLog(), rig.stream()]
    await sayAll(log, stream, ['a'])
    await sayAll(rival, stream, ['b'])
    expect(await sayAll(log, stream, ['b', 'c'])).to.deep.equal(['duplicate of 2', 3])
    await expectWhole(rig, stream, ['1 a', '2 b', '3 c'])
  })

  it('[LOG-7] a key far behind the hot tail is found by the index', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    const keys = Array.from({ length: 1_200 }, (_, n) => `k${n}`)
    await sayAll(log, stream, keys)
    const done = await sayAll(log, stream, ['k3', 'new', 'k4'])
    expect(done).to.deep.equal(['duplicate of 4', 1_201, 'duplicate of 5'])
    expect(await createVerifyStream({ store: rig.plain })(stream, { asker_id: 'ada' })).to.include({ ok: true, head: 1_201 })
  })

  it('[LOG-8] a refusal that would leave is replaced by the answer to the first try', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    rig.plan.push(faults.committedWithoutReply)
    const first = outcomeOf(say(log, stream, { key: 'a' }))
    await first
    const refuse = () => {
      throw new ParleyError('CONTRACT_ENDED')
    }
    const restarted = rig.createLog({ publish: () => {} })
    expect(await outcomeOf(say(restarted, stream, { key: 'a', decide: refuse }))).to.equal('duplicate of 1')
    expect(await outcomeOf(say(restarted, stream, { key: 'b', decide: refuse }))).to.equal('CONTRACT_ENDED')
    expect(await outcomeOf(say(restarted, stream, { key: 'a', body: 'other', decide: refuse }))).to.equal('CONTRACT_ENDED')
  })

  it('[LOG-8] what was recorded and refused is refused again, never acknowledged', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    const decide = () => ({
      event: { type: 'message.posted' as const, data: { body: 'late', visibility: 'all' as const } },
      refuse: new ParleyError('FLOOR_LOST'),
    })
    expect(await outcomeOf(say(log, stream, { key: 'late', decide }))).to.equal('FLOOR_LOST')
    expect(await outcomeOf(say(log, stream, { key: 'late', decide }))).to.equal('FLOOR_LOST')
    const restarted = rig.createLog({ publish: () => {} })
    expect(await outcomeOf(say(restarted, stream, { key: 'late', decide }))).to.equal('FLOOR_LOST')
    expect(bodiesOf(await rig.events(stream))).to.deep.equal(['1 late'])
  })

  it('[LOG-9] a refusal on a stale room is decided again on what the others wrote', async () => {
    const [log, rival, stream] = [rig.createLog(), rig.otherLog(), rig.stream()]
    await sayAll(log, stream, ['a'])
    await sayAll(rival, stream, ['b'])
    const draft = {
      ...{ stream, actor: { kind: 'user', id: 'ada', name: 'Ada', roles: [], owns: [] } as const, key: 'c', hash: 'c' },
      decide: (room: { seq: number }) => {
        if (room.seq < 2) throw new ParleyError('CALL_NOT_OPEN')
        return { event: { type: 'message.posted' as const, data: { body: 'c', visibility: 'all' as const } } }
      },
    }
    expect(await outcomeOf(log.submit(draft))).to.equal(3)
    await expectWhole(rig, stream, ['1 a', '2 b', '3 c'])
  })

  /** Refused as long as the room has fewer events. */
  const sayFrom = (log: Log, stream: string, key: string, seq: number) =>
    log.submit({
      ...{ stream, actor: person('ada'), key, hash: key },
      decide: (room) => {
        if (room.seq < seq) throw new ParleyError('CALL_NOT_OPEN')
        return { event: { type: 'message.posted', data: { body: key, visibility: 'all' } } }
      },
    })

  it('[LOG-29] what a sender sent behind a frame that is decided again stays behind it, and nobody else waits', async () => {
    const [log, rival, stream] = [rig.createLog(), rig.otherLog(), rig.stream()]
    await sayAll(log, stream, ['a'])
    await sayAll(rival, stream, ['b'], 'bob')
    const own = [sayFrom(log, stream, 'c', 2), say(log, stream, { key: 'd' }), say(log, stream, { key: 'e' })]
    expect(await Promise.all(own.map(outcomeOf))).to.deep.equal([3, 4, 5])

    await sayAll(rival, stream, ['f'], 'bob')
    const [first, second, other] = [sayFrom(log, stream, 'g', 6), say(log, stream, { key: 'h' }), say(log, stream, { by: 'eve', key: 'x' })]
    const [g, h, x] = (await Promise.all([first, second, other].map(outcomeOf))) as number[]
    expect([g, h, x].toSorted()).to.deep.equal([7, 8, 9])
    expect(h).to.be.above(g ?? 9)
  })

  it('[LOG-29] a refusal that stands lets go what waits behind it, in its order, and a flush waits for that', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    await sayAll(log, stream, ['a'])
    const answered: (number | string)[] = []
    const note = (answer: number | string) => answered.push(answer)
    for (const frame of [sayFrom(log, stream, 'b', 9), say(log, stream, { key: 'c' })]) void outcomeOf(frame).then(note)
    for (const frame of [sayFrom(log, stream, 'd', 9), say(log, stream, { key: 'e' })]) void outcomeOf(frame).then(note)
    await log.flush()
    await expectWhole(rig, stream, ['1 a', '2 c', '3 e'])
    expect(await outcomeOf(say(log, stream, { key: 'c' }))).to.equal('duplicate of 2')
    expect(answered.filter((answer) => typeof answer === 'number')).to.deep.equal([2, 3])
  })

  it('[LOG-29] what waits behind a frame whose first try was recorded goes on when that is answered', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    await sayAll(log, stream, ['a', 'b'])
    const [restarted, rival] = [rig.createLog({ publish: () => {} }), rig.otherLog()]
    await restarted.open(stream)
    expect(await outcomeOf(say(rival, stream, { by: 'bob', key: 'c' }))).to.equal(3)
    expect(await outcomeOf(sayFrom(rival, stream, 'd', 1))).to.equal(4)
    const own = [sayFrom(restarted, stream, 'd', 9), say(restarted, stream, { key: 'e' })]
    expect(await Promise.all([...own, say(restarted, stream, { by: 'eve', key: 'x' })].map(outcomeOf))).to.include('duplicate of 4')
    expect((await rig.events(stream)).map(({ event }) => event.key).toSorted()).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'x'])
  })

  it('[LOG-10] a frame that makes our own code fail is refused alone', async () => {
    const annotate = (draft: { type: string; data: object }) => {
      if ('body' in draft.data && draft.data.body === 'poison') throw new TypeError('no such thing')
      return { audience: 'all' as const }
    }
    const [log, stream] = [rig.createLog({ annotate }), rig.stream()]
    expect(await sayAll(log, stream, ['a', 'poison', 'c'])).to.deep.equal([1, 'fault: no such thing', 2])
    expect(await sayAll(log, stream, ['d'])).to.deep.equal([3])
    await expectWhole(rig, stream, ['1 a', '2 c', '3 d'])
  })

  it('[LOG-10] a log that does not fold refuses its own frames only, and says so', async () => {
    const [log, rival, stream, other] = [rig.createLog(), rig.otherLog(), rig.stream(), rig.stream()]
    await sayAll(log, stream, ['a'])
    await sayAll(rival, stream, ['b', 'c', 'x'])
    await rig.plain.collection.deleteOne({ _id: `${stream}:000000000003` })
    const done = await Promise.all([sayAll(log, stream, ['d', 'e']), sayAll(log, other, ['f'])])
    expect(done[0]?.every((one) => `${one}`.startsWith('fault: '))).to.equal(true, String(done[0]))
    expect(done[1]).to.deep.equal([1])
    expect(rig.troubles.join()).to.include(stream)
    // It stays refused, for what it would be written behind is not there; the other room goes on.
    expect(await outcomeOf(say(log, stream, { key: 'g' }))).to.match(/^fault: event 4 /)
    expect(await sayAll(log, other, ['h'])).to.deep.equal([2])
  })

  it('[LOG-10] a log that lost an event which this node has is not written on', async () => {
    const [log, rival, stream] = [rig.createLog(), rig.otherLog(), rig.stream()]
    await sayAll(log, stream, ['a'])
    await sayAll(rival, stream, ['b', 'c'])
    await rig.plain.collection.deleteMany({ stream, seq: { $gt: 1 } })
    await sayAll(rig.otherLog(), stream, ['x'], 'eve')
    expect(await sayAll(rival, stream, ['d'], 'eve')).to.deep.equal([4])
    expect(await sayAll(log, stream, ['e'])).to.match(/fault: event 4 /)
    expect(await createVerifyStream({ store: rig.plain })(stream, { asker_id: 'ada' })).to.include({ ok: false, first_bad: 3 })
  })

  it('[LOG-10] text that is no event stops its own room only', async () => {
    const [log, rival, stream, other] = [rig.createLog(), rig.otherLog(), rig.stream(), rig.stream()]
    await sayAll(log, stream, ['a'])
    await sayAll(rival, stream, ['b'])
    await rig.plain.collection.updateOne({ _id: `${stream}:000000000002` }, { $set: { json: '{' } })
    const done = await Promise.all([sayAll(log, stream, ['d']), sayAll(log, other, ['f'])])
    expect(done[0]?.[0]).to.match(/^fault: /)
    expect(done[1]).to.deep.equal([1])
  })

  it('[LOG-11] a publisher that fails costs no frame its acknowledgement', async () => {
    const publish = () => {
      throw new Error('nobody can be told')
    }
    const [log, stream] = [rig.createLog({ publish }), rig.stream()]
    expect(await sayAll(log, stream, ['a', 'b'])).to.deep.equal([1, 2])
    expect(await sayAll(log, stream, ['c'])).to.deep.equal([3])
    expect(rig.troubles).to.include('events were not published')
  })

  it('[LOG-12] a snapshot from behind the end of a restored log leaves no hole', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    await sayAll(
      log,
      stream,
      Array.from({ length: 1_100 }, (_, n) => `k${n}`),
    )
    await log.flush()
    await rig.plain.collection.deleteMany({ _id: { $gt: `${stream}:000000000900` }, stream })
    const restored = rig.createLog({ publish: () => {} })
    expect(await outcomeOf(say(restored, stream, { key: 'on' }))).to.equal(901)
    expect(await createVerifyStream({ store: rig.plain })(stream, { asker_id: 'ada' })).to.include({ ok: true, head: 901 })
  })

  it('[LOG-12] nor is one of another history behind a place that somebody comes back to', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    await sayAll(log, stream, ['a', 'b', 'c', 'd', 'e'])
    const foreign = { seq: 3, chain: 'f'.repeat(64), view: { ...emptyRoom, seq: 3, floor: { ...emptyRoom.floor, term: 77 } } }
    await rigSnapshots(rig.connection).save(stream, foreign)
    const { room, chain } = await log.roomAt(stream, 4)
    const events = await rig.events(stream)
    expect(room).to.deep.equal(events.slice(0, 4).reduce((view, { event }) => evolve(view, event), emptyRoom))
    expect(chain).to.equal(events[3]?.event.chain)
  })

  it('[LOG-33] a room whose kept fold is of an older hub is folded anew once, and kept again', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    await sayAll(
      log,
      stream,
      Array.from({ length: 1_100 }, (_, n) => `k${n}`),
    )
    await log.flush()
    const snapshots = rig.connection.collection<{ _id: string; shape: number }>('snapshots')
    await until('it is kept', async () => (await snapshots.countDocuments({ stream })) > 0)
    await snapshots.updateMany({ stream }, { $set: { shape: 4 }, $unset: { seal: '' } })
    const afters: number[] = []
    const read: typeof rig.plain.read = (id, range) => {
      afters.push(range.after)
      return rig.plain.read(id, range)
    }
    const store = { ...rig.plain, read }
    const { room } = await rig.createLog({ store }).open(stream)
    expect(afters).to.include(0)
    await until('a newer one is kept', async () => (await snapshots.countDocuments({ stream, shape: { $gt: 4 } })) > 0)
    afters.length = 0
    expect((await rig.createLog({ store }).open(stream)).room).to.deep.equal(room)
    expect(afters).to.not.include(0)
  })

  it('[LOG-13] a view made from the log is the view that the node holds', async () => {
    const [log, stream] = [rig.createLog(), rig.stream()]
    await sayAll(
      log,
      stream,
      Array.from({ length: 700 }, (_, n) => `k${n}`),
    )
    const { room, chain } = await log.open(stream)
    const events = await rig.events(stream)
    expect(events.reduce((view, { event }) => evolve(view, event), emptyRoom)).to.deep.equal(room)
    expect(chain).to.equal(events.at(-1)?.event.chain)
    for (const seq of [0, 1, 350, 700]) expect((await log.roomAt(stream, seq)).room.seq).to.equal(seq)
  })
})
