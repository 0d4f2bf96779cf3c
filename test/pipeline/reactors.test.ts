import { expect } from 'chai'
import { createReactors, type React } from '../../server/pipeline/background/reactors.ts'
import { MOST_ATTEMPTS } from '../../server/pipeline/background/retry.ts'
import { ParleyError } from '../../shared/protocol/index.ts'
import { createManualClock, type ManualClock } from '../harness/clock.ts'
import { createRig, type Rig, say } from './log/log-rig.ts'

const HOUR_MS = 3_600_000

describe('reactors', () => {
  let rig: Rig
  let clock: ManualClock
  before(async () => {
    rig = await createRig()
  })
  after(() => rig.close())
  beforeEach(async () => {
    clock = createManualClock(Date.now())
    rig.troubles.length = 0
    await rig.plain.collection.deleteMany({})
  })

  /** A node with its own log: what it writes it takes up, unless it dies before. */
  function node(react: React = async () => {}, { dies = false, refresh = '' } = {}) {
    const done: string[] = []
    const refreshed: string[] = []
    const reactors = createReactors({
      ...{ store: rig.plain, clock },
      table: () => ({
        'message.posted': [
          async (stream, stored) => {
            await react(stream, stored)
            done.push(stored.event.key)
          },
        ],
      }),
      refresh: async (stream) => {
        if (stream === refresh) throw new RangeError('the room does not fold')
        refreshed.push(stream)
        await log.refresh(stream)
      },
      onTrouble: (what) => rig.troubles.push(what),
    })
    const log = rig.createLog({
      ...{ store: rig.plain, clock },
      annotate: () => ({ audience: 'all', pending: ['react'] }),
      publish: (stream, news) => {
        const own = news.filter(({ mine }) => mine)
        if (!dies) reactors.takeUp(stream, own)
      },
    })
    return { ...reactors, log, done, refreshed }
  }

  const pending = () => rig.plain.collection.find({ pending: { $exists: true } }).toArray()
  const documentOf = (key: string) => rig.plain.collection.findOne({ key })

  it('[REACT-1] what a node writes it takes up at once, and nothing stays pending', async () => {
    const one = node()
    const stream = rig.stream()
    await Promise.all(['a', 'b', 'c'].map((key) => say(one.log, stream, { key })))
    await one.settled()
    expect(one.done.toSorted()).to.deep.equal(['a', 'b', 'c'])
    expect(await pending()).to.deep.equal([])
    expect(await one.sweep({ settled_ms: 0 })).to.equal(0)
  })

  it('[REACT-1] many that end in one moment and one by one: none is left pending', async () => {
    const one = node(async () => {
      for (let turns = Math.floor(Math.random() * 8); turns > 0; turns--) await Promise.resolve()
    })
    const stream = rig.stream()
    await Promise.all(Array.from({ length: 300 }, (_, n) => say(one.log, stream, { key: `k${n}` })))
    await one.settled()
    expect(await pending()).to.deep.equal([])
  })

  it('[REACT-2] a node that dies before it reacts: another takes the event up, on the room as it is by then', async () => {
    const stream = rig.stream()
    const next = node()
    await say(next.log, stream, { key: 'first' })
    await next.settled()
    await say(node(undefined, { dies: true }).log, stream, { key: 'left' })
    next.done.length = 0
    expect(await next.sweep({ settled_ms: 5_000 }), 'its writer may have it in hand').to.equal(0)
    clock.advance(5_000)
    expect(await next.sweep({ settled_ms: 5_000 })).to.equal(1)
    expect(next.done).to.deep.equal(['left'])
    expect(next.refreshed).to.deep.equal([stream])
    expect(next.log.cached(stream)?.head).to.equal(2)
    expect(await pending()).to.deep.equal([])
  })

  it('[REACT-3] two nodes sweep the same events: each is taken up by one of them', async () => {
    const stream = rig.stream()
    const dead = node(undefined, { dies: true })
    const keys = Array.from({ length: 60 }, (_, n) => `k${n}`)
    await Promise.all(keys.map((key) => say(dead.log, stream, { key })))
    const [one, two] = [node(), node()]
    for (;;) {
      const taken = await Promise.all([one.sweep({ settled_ms: 0 }), two.sweep({ settled_ms: 0 })])
      if (taken[0] + taken[1] === 0) break
    }
    expect([...one.done, ...two.done].toSorted()).to.deep.equal(keys.toSorted())
    expect(await pending()).to.deep.equal([])
  })

  it('[REACT-3] a node that dies with a claim loses it with its lease', async () => {
    const stream = rig.stream()
    await say(node(undefined, { dies: true }).log, stream, { key: 'held' })
    let isTaken: (() => void) | undefined
    const taken = new Promise<void>((resolve) => (isTaken = resolve))
    const dead = node(() => {
      isTaken?.()
      return new Promise<never>(() => undefined)
    })
    void dead.sweep({ settled_ms: 0 })
    await taken
    const next = node()
    clock.advance(29_000)
    expect(await next.sweep({ settled_ms: 0 })).to.equal(0)
    clock.advance(1_000)
    expect(await next.sweep({ settled_ms: 0 })).to.equal(1)
    expect(next.done).to.deep.equal(['held'])
  })

  it('[REACT-3] a node does not take up again what it still works on', async () => {
    let finish: (() => void) | undefined
    const one = node(() => new Promise((resolve) => (finish = resolve)))
    await say(one.log, rig.stream(), { key: 'slow' })
    clock.advance(60_000)
    expect(await one.sweep({ settled_ms: 5_000 })).to.equal(0)
    finish?.()
    await one.settled()
    expect(one.done).to.deep.equal(['slow'])
  })

  it('[REACT-4] a reactor that fails is tried again with growing pauses, and then is a dead letter that names its reason', async () => {
    const one = node(async () => {
      throw new TypeError('no such thing')
    })
    const stream = rig.stream()
    await say(one.log, stream, { key: 'poison' })
    await one.settled()
    const pauses: number[] = []
    for (;;) {
      const document = await documentOf('poison')
      if (document?.react_until === undefined) break
      pauses.push(document.react_until.getTime() - clock.now())
      clock.advance(pauses.at(-1) ?? 0)
      expect(await one.sweep({ settled_ms: 0 })).to.equal(1)
    }
    expect(pauses).to.have.lengthOf(MOST_ATTEMPTS - 1)
    expect(pauses.slice(0, 3)).to.deep.equal([2_000, 4_000, 8_000])
    const dead = await documentOf('poison')
    expect(dead).not.to.have.any.keys('pending', 'react_until', 'react_attempts')
    expect(dead?.dead_letter).to.include({ attempts: MOST_ATTEMPTS, error: 'TypeError: no such thing' })
    clock.advance(24 * HOUR_MS)
    expect(await one.sweep({ settled_ms: 0 })).to.equal(0)
    expect(one.done).to.deep.equal([])
  })

  it('[REACT-4] one that fails does not keep the others waiting', async () => {
    const one = node(async (_, { event }) => {
      if (event.key === 'poison') throw new Error('no')
    })
    const stream = rig.stream()
    await Promise.all(['a', 'poison', 'c'].map((key) => say(one.log, stream, { key })))
    await one.settled()
    expect(one.done.toSorted()).to.deep.equal(['a', 'c'])
    expect((await pending()).map(({ key }) => key)).to.deep.equal(['poison'])
  })

  it('[REACT-4] one that cannot be read, alone or with its room, is such a failure and keeps no other waiting', async () => {
    const [damaged, broken, sound] = [rig.stream(), rig.stream(), rig.stream()]
    const first = node(undefined, { dies: true })
    for (const stream of [damaged, broken, sound]) await say(first.log, stream, { key: stream })
    await rig.plain.collection.updateOne({ key: damaged }, { $set: { json: '{"v' } })
    const next = node(undefined, { refresh: broken })
    expect(await next.sweep({ settled_ms: 0 })).to.equal(3)
    expect(next.done).to.deep.equal([sound])
    const left = await pending()
    expect(left.map(({ key, react_attempts }) => [key, react_attempts])).to.have.deep.members([
      [damaged, 1],
      [broken, 1],
    ])
    expect(await next.sweep({ settled_ms: 0 })).to.equal(0)
    expect(rig.troubles).to.have.length(2)
  })

  it('[REACT-5] UNAVAILABLE leaves it, however often, and counts as no failure', async () => {
    let isAway = true
    const one = node(async () => {
      if (isAway) throw new ParleyError('UNAVAILABLE')
    })
    await say(one.log, rig.stream(), { key: 'a' })
    await one.settled()
    for (let round = 0; round < MOST_ATTEMPTS + 3; round++) {
      clock.advance(30_000)
      expect(await one.sweep({ settled_ms: 5_000 })).to.equal(1)
    }
    isAway = false
    clock.advance(30_000)
    await one.sweep({ settled_ms: 5_000 })
    expect(one.done).to.deep.equal(['a'])
    expect(await pending()).to.deep.equal([])
  })

  it('[REACT-6] a clock that is set back an hour leaves no event and no claim of that hour behind', async () => {
    const stream = rig.stream()
    clock.advance(HOUR_MS)
    await say(node(undefined, { dies: true }).log, stream, { key: 'future' })
    await say(node(undefined, { dies: true }).log, stream, { key: 'claimed' })
    await rig.plain.collection.updateOne({ key: 'claimed' }, { $set: { react_until: new Date(clock.now() + 30_000) } })
    clock = createManualClock(clock.now() - HOUR_MS)
    const next = node()
    expect(await next.sweep({ settled_ms: 5_000 })).to.equal(2)
    expect(next.done.toSorted()).to.deep.equal(['claimed', 'future'])
    expect(await pending()).to.deep.equal([])
  })

  it('[REACT-7] a started node sweeps by its clock, and closes when its work is done', async () => {
    await say(node(undefined, { dies: true }).log, rig.stream(), { key: 'left' })
    const one = node()
    one.start()
    clock.advance(5_000)
    await one.settled()
    expect(one.done).to.deep.equal(['left'])
    await one.close()
    clock.advance(60_000)
    expect(await pending()).to.deep.equal([])
  })
})
