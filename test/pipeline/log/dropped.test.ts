import { expect } from 'chai'
import { type EventText, eventId } from '../../../server/pipeline/store/event-store.ts'
import { createFollower } from '../../../server/pipeline/store/follow.ts'
import { toStored } from '../../../server/pipeline/store/stored-event.ts'
import { createManualClock } from '../../harness/clock.ts'
import { expectWhole, faults, sayAll, useRig } from './log-rig.ts'

/** A room of which this node knows that it knows it wrongly, while people here follow it. */
describe('a room that is dropped', () => {
  const rig = useRig()

  it('[LOG-36] what was committed when a room was dropped is told to those who follow it, once, and before what comes after it', async () => {
    const [log, rival, stream] = [rig.createLog({ isFollowed: () => true, store: failingOnce() }), rig.otherLog(), rig.stream()]
    await sayAll(log, stream, ['a'])
    rig.plan.push(faults.committedWithoutReply)
    expect(await sayAll(log, stream, ['b'])).to.deep.equal(['fault: a fault of ours'])
    expect(log.nextIds(), 'the next look asks for it').to.deep.equal([eventId(stream, 2)])
    await sayAll(rival, stream, ['c'])
    await log.refresh(stream)
    expect(await sayAll(log, stream, ['d'])).to.deep.equal([4])
    await expectWhole(rig, stream, ['1 a', '2 b', '3 c', '4 d'])
  })

  it('[LOG-36] a room that is dropped while its commit is under way tells of that commit once, and what waited is recorded behind it', async () => {
    const [log, stream] = [rig.createLog({ isFollowed: () => true }), rig.stream()]
    await sayAll(log, stream, ['a'])
    const forged = { ...toStored({ ...(await rig.events(stream))[0], seq: 2 } as EventText), digest: 'f'.repeat(64) }
    let waiting: Promise<(number | string)[]> | undefined
    rig.plan.push(async (run) => {
      waiting = sayAll(log, stream, ['c', 'd'])
      expect(() => log.ingest(stream, [forged])).to.throw('not tied')
      return run()
    })
    expect(await sayAll(log, stream, ['b'])).to.deep.equal([2])
    expect(await waiting).to.deep.equal([3, 4])
    await expectWhole(rig, stream, ['1 a', '2 b', '3 c', '4 d'])
  })

  /** The rig's store, whose first look at a commit without a reply meets a fault of ours. */
  function failingOnce() {
    let hasFailed = false
    const digestsById: typeof rig.store.digestsById = (ids) => {
      if (hasFailed) return rig.store.digestsById(ids)
      hasFailed = true
      return Promise.reject(new TypeError('a fault of ours'))
    }
    return { ...rig.store, digestsById }
  }

  it('[LOG-36] a followed room that can no longer be read keeps no other from being looked at', async () => {
    const clock = createManualClock()
    const [log, rival, broken, other] = [rig.createLog({ isFollowed: () => true, clock }), rig.otherLog(), rig.stream(), rig.stream()]
    for (const stream of [broken, other]) await sayAll(log, stream, ['a'])
    await sayAll(rival, broken, ['b', 'c'])
    await rig.plain.collection.updateOne({ _id: eventId(broken, 2) }, { $set: { json: '{' } })
    const looks: number[] = []
    const afterwards = async () => void looks.push(looks.length)
    const { look } = createFollower({ log, store: rig.plain, clock, afterwards, onTrouble: (what) => rig.troubles.push(what) })
    await look()
    await sayAll(rival, other, ['b'])
    await look()
    await expectWhole(rig, other, ['1 a', '2 b'])
    expect(looks).to.deep.equal([0, 1])
    expect(rig.troubles.join()).to.include(`what other nodes wrote to ${broken} was not read`)
  })
})
