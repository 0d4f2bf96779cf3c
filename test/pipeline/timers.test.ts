import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Connection } from 'mongoose'
import { connectDatabase } from '../../server/database/connect.ts'
import { migrate } from '../../server/database/migrate.ts'
import { MOST_ATTEMPTS } from '../../server/pipeline/background/retry.ts'
import { createTimers, type Fired, type TimerFrame } from '../../server/pipeline/background/timers.ts'
import { ParleyError } from '../../shared/protocol/index.ts'
import { createManualClock, type ManualClock } from '../harness/clock.ts'
import { testDatabase } from '../harness/hub.ts'

const HOUR_MS = 3_600_000

describe('timers', () => {
  let connections: Connection[]
  let clock: ManualClock
  let troubles: string[]
  before(async () => {
    // Two nodes: each with a connection of its own.
    const name = `timers_${randomUUID().slice(0, 8)}`
    const uri = await testDatabase()
    connections = await Promise.all([0, 1].map(async () => (await connectDatabase(uri, { kind: 'mongodb', name })).connection))
    await migrate(connections[0] as Connection, 'test')
  })
  after(async () => {
    await connections[0]?.dropDatabase()
    await Promise.all(connections.map((connection) => connection.close()))
  })
  beforeEach(async () => {
    clock = createManualClock()
    troubles = []
    await connections[0]?.collection('timers').deleteMany({})
  })

  /** A node: `answer` says what becomes of each timer that it fires. */
  function node(answer: (frame: TimerFrame) => Promise<Fired> = async () => ({ done: true }), which = 0) {
    const fired: string[] = []
    const timers = createTimers({
      // The cast holds: there are two.
      connection: connections[which] as Connection,
      clock,
      fire: (frame) => {
        fired.push(frame.type === 'call.time_out' ? frame.call_id : frame.type)
        return answer(frame)
      },
      onTrouble: (what) => troubles.push(what),
    })
    return { ...timers, fired, rows: () => timers.collection.find().toArray() }
  }

  function arm(timers: Pick<ReturnType<typeof node>, 'arm'>, id: string, due_in_ms: number): Promise<void> {
    const frame = { type: 'call.time_out', contract_id: 'contract', call_id: id } as const
    return timers.arm({ id, due_ms: clock.now() + due_in_ms, agent_id: 'agent', frame })
  }

  /** Moves the clock, and fires what is due by then, by hand: no timer of the clock is waited for. */
  async function pass(ms: number, ...nodes: ReturnType<typeof node>[]): Promise<void> {
    clock.advance(ms)
    await Promise.all(nodes.map(({ sweep }) => sweep()))
  }

  it('[TIME-1] a timer fires once, when it is due and not before, in the order of their moments', async () => {
    const one = node()
    await arm(one, 'second', 2_000)
    await arm(one, 'first', 1_000)
    await pass(999, one)
    expect(one.fired).to.deep.equal([])
    await pass(1, one)
    expect(one.fired).to.deep.equal(['first'])
    await pass(5_000, one)
    await pass(5_000, one)
    expect(one.fired).to.deep.equal(['first', 'second'])
    expect(await one.rows()).to.deep.equal([])
  })

  it('[TIME-1] a timer outlives the node that set it', async () => {
    const first = node()
    await arm(first, 'due', 1_000)
    await first.close()
    const next = node(undefined, 1)
    await pass(1_000, next)
    expect(next.fired).to.deep.equal(['due'])
  })

  it('[TIME-1] a started node fires by its clock alone, also what is set while it fires', async () => {
    let again: (() => Promise<void>) | undefined
    const one = node(async (frame) => {
      if (frame.type === 'call.time_out' && frame.call_id === 'first') await again?.()
      return { done: true }
    })
    again = () => arm(one, 'second', 10)
    await arm(one, 'first', 500)
    one.start()
    // The database's answers come between the moves, so the clock is moved on until both have fired; a busy machine takes many.
    for (let moves = 0; moves < 20_000 && one.fired.length < 2; moves++) {
      clock.advance(100)
      await one.collection.findOne({})
    }
    await one.close()
    expect(one.fired).to.deep.equal(['first', 'second'])
  })

  it('[TIME-2] two nodes sweep the same rows: each timer fires on one of them', async () => {
    const [one, two] = [node(), node(undefined, 1)]
    const ids = Array.from({ length: 50 }, (_, n) => `t${n}`)
    await Promise.all(ids.map((id) => arm(one, id, 1_000)))
    await pass(1_000, one, two)
    expect([...one.fired, ...two.fired].toSorted()).to.deep.equal(ids.toSorted())
    expect(await one.rows()).to.deep.equal([])
  })

  it('[TIME-3] a node that dies with a claim loses it with its lease, and another takes over', async () => {
    const dead = node(() => new Promise<never>(() => undefined))
    const [setter, next] = [node(), node(undefined, 1)]
    await arm(setter, 'held', 1_000)
    // Or its own clock would fire it too.
    await setter.close()
    clock.advance(1_000)
    void dead.sweep()
    await untilFired(dead, 1)
    await pass(14_000, next)
    expect(next.fired).to.deep.equal([])
    await pass(1_000, next)
    expect(next.fired).to.deep.equal(['held'])
    expect(await next.rows()).to.deep.equal([])
  })

  it('[TIME-4] a slow claimant cannot remove what was claimed anew or moved meanwhile', async () => {
    let finish: ((fired: Fired) => void) | undefined
    const slow = node(() => new Promise((resolve) => (finish = resolve)))
    const other = node(async () => ({ due_ms: clock.now() + HOUR_MS }), 1)
    const setter = node()
    await arm(setter, 'slow', 1_000)
    await setter.close()
    clock.advance(1_000)
    const sweeping = slow.sweep()
    await untilFired(slow, 1)
    await pass(15_000, other)
    expect(other.fired).to.deep.equal(['slow'])
    finish?.({ done: true })
    await sweeping
    expect(await other.rows()).to.have.lengthOf(1)

    // From here on these two only set it, and fire nothing by themselves.
    await Promise.all([slow.close(), other.close()])
    const mover = node(() => new Promise((resolve) => (finish = resolve)))
    clock.advance(HOUR_MS)
    const again = mover.sweep()
    await untilFired(mover, 1)
    await arm(other, 'slow', 5_000)
    finish?.({ done: true })
    await again
    expect((await other.rows()).map(({ due_at }) => due_at?.getTime())).to.deep.equal([clock.now() + 5_000])
  })

  it('[TIME-5] a refused frame ends the timer', async () => {
    const one = node(async () => {
      throw new ParleyError('CALL_NOT_OPEN')
    })
    await arm(one, 'late', 1_000)
    await pass(1_000, one)
    expect(await one.rows()).to.deep.equal([])
    expect(troubles).to.deep.equal([])
  })

  it('[TIME-5] UNAVAILABLE leaves it, however often, and counts as no failure', async () => {
    let isAway = true
    const one = node(async () => {
      if (isAway) throw new ParleyError('UNAVAILABLE')
      return { done: true }
    })
    await arm(one, 'due', 1_000)
    for (let round = 0; round < MOST_ATTEMPTS * 2; round++) await pass(1_000, one)
    expect(one.fired).to.have.lengthOf(MOST_ATTEMPTS * 2)
    expect((await one.rows())[0]).not.to.have.any.keys('attempts', 'dead_at')
    isAway = false
    await pass(1_000, one)
    expect(await one.rows()).to.deep.equal([])
  })

  it('[TIME-6] a failure of ours is tried again with growing pauses, and then is a dead letter that stays', async () => {
    const one = node(async () => {
      throw new TypeError('no such thing')
    })
    await arm(one, 'poison', 0)
    await arm(one, 'other', 0)
    const pauses: number[] = []
    for (let before = clock.now(), left = MOST_ATTEMPTS; left > 0; left--) {
      await pass(0, one)
      const due_ms = (await one.collection.findOne({ _id: 'poison' }))?.due_at?.getTime() ?? clock.now()
      pauses.push(due_ms - before)
      clock.advance(due_ms - clock.now())
      before = due_ms
    }
    expect(pauses.slice(0, 4)).to.deep.equal([2_000, 4_000, 8_000, 16_000])
    expect(Math.max(...pauses)).to.equal(30 * 60_000)
    const dead = await one.collection.findOne({ _id: 'poison' })
    expect(dead).to.include({ attempts: MOST_ATTEMPTS, error: 'TypeError: no such thing' })
    expect(dead).to.have.property('dead_at')
    expect(dead).not.to.have.any.keys('due_at', 'claimed_until')
    one.fired.length = 0
    await pass(24 * HOUR_MS, one)
    expect(one.fired).to.deep.equal([])
    expect(troubles).to.include('the timer poison was given up')
  })

  it('[TIME-6] a dead letter that is set again begins anew', async () => {
    const one = node(async () => {
      throw new Error('still')
    })
    await arm(one, 'dead', 0)
    for (let n = 0; n < MOST_ATTEMPTS; n++) await pass(HOUR_MS, one)
    // Else its own sweep, which the clock begins, may claim the timer first.
    await one.close()
    const healed = node()
    await arm(healed, 'dead', 0)
    await pass(0, healed)
    expect(healed.fired).to.deep.equal(['dead'])
    expect(await healed.rows()).to.deep.equal([])
  })

  it('[TIME-7] a clock that jumps an hour on, and back, fires each timer once, and no claim outlives its node by that hour', async () => {
    const one = node()
    await arm(one, 'soon', 1_000)
    await arm(one, 'later', 2 * HOUR_MS)
    await pass(HOUR_MS, one)
    expect(one.fired).to.deep.equal(['soon'])
    // A node dies with a claim that was given by the clock which is an hour ahead …
    const dead = node(() => new Promise<never>(() => undefined), 1)
    await arm(one, 'held', 0)
    void dead.sweep()
    await untilFired(dead, 1)
    // … and the clock is set back.
    const back = createManualClock(clock.now() - HOUR_MS)
    clock = back
    const next = node()
    await next.collection.updateOne({ _id: 'held' }, { $set: { due_at: new Date(back.now()) } })
    await next.sweep()
    expect(next.fired).to.deep.equal(['held'])
    await pass(3 * HOUR_MS, next)
    expect(next.fired).to.deep.equal(['held', 'later'])
    expect(await next.rows()).to.deep.equal([])
  })

  it('[TIME-8] one that cannot be written back does not keep the others from firing', async () => {
    const one = node(async (frame) => {
      if (frame.type === 'call.time_out' && frame.call_id === 'bad') throw new Error('bad')
      return { done: true }
    })
    await Promise.all(['a', 'bad', 'c'].map((id) => arm(one, id, 0)))
    await pass(0, one)
    expect(one.fired.toSorted()).to.deep.equal(['a', 'bad', 'c'])
    expect((await one.rows()).map(({ _id }) => _id)).to.deep.equal(['bad'])
  })
})

async function untilFired(
  { fired, collection }: { fired: string[]; collection: { findOne(filter: object): Promise<unknown> } },
  count: number,
) {
  // By time and not by looks: on a busy machine thousands of reads pass while one write waits for its turn.
  for (const until = performance.now() + 30_000; fired.length < count; ) {
    if (performance.now() > until) throw new Error('it never fired')
    await collection.findOne({})
  }
}
